-- The registry that everything up to the cursor was compared with; null = none yet.
alter table cursor add column registry text;
