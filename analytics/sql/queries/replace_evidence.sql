-- Puts blobs in the place of stored ones.
update evidence set attributes = r.attributes from rewritten r where evidence.rowid = r.place
