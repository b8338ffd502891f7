"""The tables of the response store; another schema needs another version.

What versions of the same schema add is in tables of its own, which older ones leave alone.
"""

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
# The answers that look as if they could not stand (`backends.answer_faults.may_not_stand`) and yet do: a
# version that knows the difference has stored them.
CONFIRMED = sa.Table("assay_confirmed", METADATA, sa.Column("key", sa.Text, primary_key=True))
# Who asks for answers just now, once for each shard: the process, and when it was last there.
ASKERS = sa.Table(
    "assay_askers",
    METADATA,
    sa.Column("asker", sa.Text, primary_key=True),
    sa.Column("machine", sa.Text, nullable=False),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("began", sa.Double, nullable=False),
    sa.Column("seen", sa.Double, nullable=False),
)
# The answers that each of them asks for, so that no other does at the same time.
LEASES = sa.Table(
    "assay_leases",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("asker", sa.Text, nullable=False),
)
# The models whose answers a version has looked at that knows that in some models texts may share no work:
# whether those that were here before may stand.
TRIED_MODELS = sa.Table(
    "assay_tried_models",
    METADATA,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("stands", sa.Boolean, nullable=False),
)
# What models behind endpoints call themselves in the answers that are stored, and how many say so. model: the
# key of the one that was asked.
ANSWERERS = sa.Table(
    "assay_answerers",
    METADATA,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("asked", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("system_fingerprint", sa.Text, primary_key=True),
    sa.Column("answers", sa.BigInteger, nullable=False),
)
# The answers whose prompts were cut to what the model reads, and the tokens that were cut off.
CUT_PROMPTS = sa.Table(
    "assay_cut_prompts",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("tokens", sa.BigInteger, nullable=False),
)
