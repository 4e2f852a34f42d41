-- Loops that the commits after $commit_no name, in charges or in steps.
select loop from charges where commit_no > $commit_no and loop is not null
union
select loop from records where commit_no > $commit_no and loop is not null
