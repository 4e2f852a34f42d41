-- Every blob of evidence.
select commit_no, attributes from evidence
