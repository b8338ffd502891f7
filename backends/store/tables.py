"""The tables of the response store; another schema needs another version."""

import sqlalchemy as sa

SCHEMA_VERSION = "1"

METADATA = sa.MetaData()
META = sa.Table(
    "assay_meta",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
RESPONSES = sa.Table(
    "assay_responses",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
)
