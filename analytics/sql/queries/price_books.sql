-- The price books whose sets are stored.
select distinct price_book from prices
