-- Every user of a tenant that records or charges name.
select "user" from records where tenant = $tenant and "user" is not null
union
select "user" from charges where tenant = $tenant and "user" is not null
