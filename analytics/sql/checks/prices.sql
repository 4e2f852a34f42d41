-- A charge with a price says whose it is, and its price set is kept.
select 'call ' || call_id || ' costs ' || cost_usd || ' USD by price set ' || price_set || ', which is not kept' as broken
from charges c
where price_set is not null and not exists (select 1 from prices p where p.price_set = c.price_set and p.price_book = c.price_book)
