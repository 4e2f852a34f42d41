-- The price books that commits used, in the order in which they came; one without a moment is of a time before that was noted.
select price_book, min(recorded_at) as recorded_at, count(*) as price_sets
from prices
group by price_book
order by recorded_at nulls first, price_book
