-- The dearest list price for a token of input and of output among the models that calls of a tenant were priced by; null without one.
select max(p.input_usd) as input_unit_usd, max(p.output_usd) as output_unit_usd
from prices p
where p.price_set in (select distinct price_set from charges where tenant = $tenant and price_set is not null)
