"""Edge 2, what finance opens. No SQL, no OTLP, no arithmetic on money."""
