"""Anything else: kept as a step of kind "other" under the identity contract, so that nothing is lost."""

from ingest.dialects.dialect import Dialect

DIALECT = Dialect(name="plain")
