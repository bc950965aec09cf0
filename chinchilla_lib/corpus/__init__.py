"""Text to token shards: documents, splits by hash, a byte-level BPE, checked uint16 files."""
