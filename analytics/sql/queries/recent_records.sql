-- Records of the commits made since a moment of the collector's clock.
select r.*
from records r
join commits c using (commit_no)
where c.now_at >= $since
