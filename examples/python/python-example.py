"""Prints what it was given and what it runs on, as JSON; uses modules that are C libraries inside."""

import bz2
import hashlib
import json
import sqlite3
import ssl
import sys

connection = sqlite3.connect(":memory:")
(answer,) = connection.execute("select 6 * 7").fetchone()
packed = bz2.compress(b"packer " * 100)
json.dump(
    {
        "arguments": sys.argv[1:],
        "answer": answer,
        "bz2": len(bz2.decompress(packed)),
        "sha256": hashlib.sha256(b"packer").hexdigest()[:16],
        "ssl": ssl.OPENSSL_VERSION.split()[0],
        "python": ".".join(map(str, sys.version_info[:3])),
        "prefix": sys.prefix,
    },
    sys.stdout,
    indent=2,
)
print()
