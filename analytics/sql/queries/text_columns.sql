-- The columns of texts that may name a user, by table; prices, books and the kinds of things are no user's.
select table_name, column_name
from duckdb_columns()
where database_name = current_database() and schema_name = 'main' and data_type = 'VARCHAR'
  and table_name in (select table_name from duckdb_columns() where column_name = 'tenant')
  and table_name not in (select view_name from duckdb_views())
  and column_name <> 'tenant'
order by table_name, column_name
