"""The operator words of the goal language; plain data."""

ARTICLES = frozenset({"the", "a", "an", "its", "their", "his", "her", "this", "that", "these", "those"})
PRONOUNS = frozenset({"it", "them", "these", "those", "everything", "all"})
RESULT_WORDS = frozenset(
    {"result", "results", "output", "rows", "data", "summary", "records", "outcome", "table", "dataset", "columns"}
)
SEPARATORS = frozenset(
    {",", ";", ".", ":", "then", "and", "&", "also", "finally", "next", "afterwards", "please", "pls"}
)
SEPARATORS |= {"->", "-", "!", "?", "lastly", "after", "that", "so"} - {"after", "that", "so"}

READ_VERBS = frozenset(
    {"load", "read", "take", "pull", "import", "get", "fetch", "ingest", "extract", "grab", "use", "copy"}
    | {"query", "scan", "open", "collect", "retrieve"}
)
WRITE_VERBS = frozenset(
    {"write", "save", "store", "export", "put", "insert", "append", "output", "dump", "upsert", "merge", "persist"}
    | {"materialize", "materialise", "unload", "land"}
)
REPLACE_VERBS = frozenset({"replace", "overwrite", "rebuild", "recreate", "refresh", "replacing", "overwriting"})
ELSEWHERE = frozenset(
    {"slack", "snowflake", "bigquery", "redshift", "s3", "gcs", "kafka", "sheets", "excel", "tableau", "salesforce"}
    | {
        "hubspot",
        "looker",
        "databricks",
        "mysql",
        "oracle",
        "sftp",
        "ftp",
        "api",
        "airtable",
        "notion",
        "teams",
        "mongodb",
    }
    | {
        "elasticsearch",
        "mongo",
        "redis",
        "disk",
        "screen",
        "stdout",
        "console",
        "clipboard",
        "google",
        "email",
        "mariadb",
    }
    | {"clickhouse", "athena", "azure", "dropbox", "gmail", "outlook", "discord", "jira", "git", "github", "me", "us"}
    | {
        "powerbi",
        "sharepoint",
        "confluence",
        "ods",
        "xlsx",
        "xml",
        "pdf",
        "html",
        "json",
        "avro",
        "orc",
        "delta",
        "iceberg",
    }
)
APPEND_VERBS = frozenset({"append", "insert", "appending", "inserting"})
MERGE_VERBS = frozenset({"upsert", "merge", "upserting", "merging"})
COMPUTE_VERBS = frozenset(
    {"compute", "calculate", "calc", "show", "list", "report", "give", "find", "produce", "summarize", "summarise"}
    | {"aggregate", "agg", "determine", "return", "display", "derive", "output", "get", "make", "build", "create"}
    | {"generate", "tell", "provide", "present", "include", "including", "select", "want", "need", "obtain", "write"}
    | {"work", "figure", "analyze", "analyse", "measure"}
)
JOIN_VERBS = frozenset({"join", "joined", "joining", "match", "matched", "link", "combine", "connect"})
DEDUPE_VERBS = frozenset({"dedupe", "dedup", "deduplicate", "de-duplicate", "de-dupe", "deduplicated", "deduping"})
DROP_VERBS = frozenset({"drop", "remove", "delete", "discard", "eliminate", "strip"})
EXCLUDE_VERBS = frozenset({"exclude", "excluding", "skip", "skipping", "ignore", "ignoring", "omit", "omitting"})
EXCLUDE_VERBS |= {"without", "except", "dropping", "removing", "discarding"}
KEEP_VERBS = frozenset(
    {"keep", "retain", "filter", "only", "restrict", "limit", "select", "keeping", "consider", "include"}
)
SORT_VERBS = frozenset(
    {"sort", "sorted", "order", "ordered", "rank", "ranked", "sorting", "ordering", "arranged", "arrange"}
)
ROUND_VERBS = frozenset({"rounded", "round", "rounding"})
ALL_VERBS = (
    READ_VERBS
    | WRITE_VERBS
    | REPLACE_VERBS
    | COMPUTE_VERBS
    | JOIN_VERBS
    | DEDUPE_VERBS
    | DROP_VERBS
    | SORT_VERBS
    | {"convert", "cast", "round", "rename", "parse", "keep", "filter", "count", "sum", "compare", "split", "attach"}
    | {"turn", "change", "enrich", "attach", "group", "set", "map", "transform", "relate", "treat"}
)

AGGREGATES: dict[str, str] = {
    "total": "sum",
    "sum": "sum",
    "summed": "sum",
    "overall": "sum",
    "combined": "sum",
    "average": "avg",
    "avg": "avg",
    "mean": "avg",
    "min": "min",
    "minimum": "min",
    "smallest": "min",
    "lowest": "min",
    "cheapest": "min",
    "earliest": "min",
    "oldest": "min",
    "shortest": "min",
    "first": "min",
    "max": "max",
    "maximum": "max",
    "largest": "max",
    "biggest": "max",
    "highest": "max",
    "greatest": "max",
    "longest": "max",
    "latest": "max",
    "newest": "max",
    "last": "max",
    "median": "median",
}
DATE_ONLY = frozenset({"earliest", "oldest", "latest", "newest", "first", "last"})
NUMBER_ONLY = frozenset({"lowest", "highest", "smallest", "largest", "biggest", "greatest", "cheapest"})
ROW_NOUNS = frozenset({"row", "rows", "record", "records", "line", "lines", "entry", "entries"})
DISTINCT = frozenset({"distinct", "unique", "different", "separate"})

GRAINS: dict[str, str] = {
    "year": "year",
    "yearly": "year",
    "annual": "year",
    "annually": "year",
    "quarter": "quarter",
    "quarterly": "quarter",
    "month": "month",
    "monthly": "month",
    "week": "week",
    "weekly": "week",
    "day": "day",
    "daily": "day",
    "hour": "hour",
    "hourly": "hour",
}
GRAIN_ADJECTIVES = frozenset({"yearly", "annual", "quarterly", "monthly", "weekly", "daily", "hourly"})
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sep sept",
            "october oct",
            "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}

SMALL_NUMBERS = {"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
SMALL_NUMBERS |= {"seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "twenty": 20}

# Units that convert into each other, by what one of them is of the smallest.
UNIT_FAMILIES: tuple[dict[str, int], ...] = (
    {"cent": 1, "dollar": 100, "usd": 100},
    {"cent": 1, "eurocent": 1, "euro": 100, "eur": 100},
    {"penny": 1, "pence": 1, "pound": 100, "gbp": 100},
    {"micro": 1, "dollar": 1_000_000, "usd": 1_000_000},
    {
        "microsecond": 1,
        "millisecond": 1_000,
        "second": 1_000_000,
        "minute": 60_000_000,
        "hour": 3_600_000_000,
        "day": 86_400_000_000,
    },
    {"byte": 1},
    {"gram": 1, "kg": 1_000, "kilogram": 1_000, "kilo": 1_000, "tonne": 1_000_000},
    {"mm": 1, "millimeter": 1, "cm": 10, "centimeter": 10, "meter": 1_000, "metre": 1_000}
    | {"km": 1_000_000, "kilometer": 1_000_000, "kilometre": 1_000_000},
)
UNITS = frozenset(unit for family in UNIT_FAMILIES for unit in family)

# Nouns for quantities: what people call a column by another name. A match counts when it is the only one.
SYNONYMS: dict[str, frozenset[str]] = {
    "length": frozenset({"length", "duration", "millisecond", "second", "minute", "runtime", "playtime"}),
    "duration": frozenset({"length", "duration", "millisecond", "second", "minute", "runtime"}),
    "runtime": frozenset({"length", "duration", "millisecond", "second", "minute", "runtime"}),
    "playtime": frozenset({"length", "duration", "millisecond", "second", "minute", "playtime"}),
    "time": frozenset({"duration", "millisecond", "second", "minute"}),
    "revenue": frozenset({"revenue", "amount", "total", "sale", "turnover", "gross"}),
    "sale": frozenset({"revenue", "amount", "total", "sale", "turnover"}),
    "turnover": frozenset({"revenue", "amount", "total", "sale", "turnover"}),
    "spend": frozenset({"spend", "amount", "total", "spending"}),
    "spending": frozenset({"spend", "amount", "total", "spending"}),
    "value": frozenset({"value", "amount", "total"}),
    "size": frozenset({"size", "byte", "bytes"}),
    "client": frozenset({"customer", "client"}),
    "customer": frozenset({"customer", "client"}),
    "buyer": frozenset({"customer", "client", "buyer"}),
    "staff": frozenset({"employee", "staff"}),
    "item": frozenset({"item"}),
    "unit": frozenset({"quantity", "unit"}),
}
QUANTITY_NOUNS = frozenset({"revenue", "sale", "turnover", "spend", "spending"})
SAME_ROOT = {
    "paid": "payment",
    "payed": "payment",
    "ordered": "order",
    "sold": "sale",
    "billed": "bill",
    "spent": "spend",
}
SAME_ROOT |= {
    "invoiced": "invoice",
    "shipped": "shipment",
    "refunded": "refund",
    "charged": "charge",
    "rented": "rental",
}
SAME_ROOT |= {"delivered": "delivery", "purchased": "purchase", "booked": "booking", "donated": "donation"}

SUPERLATIVES: dict[str, tuple[frozenset[str], bool]] = {
    "longest": (frozenset({"length", "duration", "minute", "second", "hour", "millisecond", "time", "runtime"}), True),
    "shortest": (
        frozenset({"length", "duration", "minute", "second", "hour", "millisecond", "time", "runtime"}),
        False,
    ),
    "newest": (frozenset({"date", "day", "month", "year", "week", "quarter", "time", "created", "timestamp"}), True),
    "latest": (frozenset({"date", "day", "month", "year", "week", "quarter", "time", "created", "timestamp"}), True),
    "recent": (frozenset({"date", "day", "month", "year", "week", "quarter", "time", "created", "timestamp"}), True),
    "oldest": (frozenset({"date", "day", "month", "year", "week", "quarter", "time", "created", "timestamp"}), False),
    "earliest": (frozenset({"date", "day", "month", "year", "week", "quarter", "time", "created", "timestamp"}), False),
    "cheapest": (frozenset({"price", "cost", "amount"}), False),
    "priciest": (frozenset({"price", "cost", "amount"}), True),
    "worst": (frozenset({"delay", "error", "latency", "defect", "scrap", "loss", "failure", "complaint"}), True),
    "heaviest": (frozenset({"weight", "mass", "gram", "kg", "kilogram", "tonne"}), True),
    "lightest": (frozenset({"weight", "mass", "gram", "kg", "kilogram", "tonne"}), False),
    "largest": (frozenset(), True),
    "biggest": (frozenset(), True),
    "highest": (frozenset(), True),
    "greatest": (frozenset(), True),
    "most": (frozenset(), True),
    "smallest": (frozenset(), False),
    "lowest": (frozenset(), False),
    "fewest": (frozenset(), False),
    "least": (frozenset(), False),
}

BREAKS = (
    frozenset(
        {"by", "per", "for", "from", "in", "into", "to", "on", "onto", "with", "and", "or", "as", "at", "where", "of"}
        | {"than", "is", "are", "was", "were", "not", "no", "then", "whose", "which", "who", "having", "has", "have"}
        | {
            "each",
            "every",
            "only",
            "but",
            "between",
            "least",
            "most",
            "more",
            "less",
            "over",
            "under",
            "above",
            "below",
        }
        | {
            "before",
            "after",
            "since",
            "until",
            "within",
            "without",
            "except",
            "using",
            "via",
            "if",
            "when",
            "that",
            "all",
        }
        | {"desc", "asc", "descending", "ascending", "number", "count", "how", "many", "rounded", "starting", "like"}
        | {"equals", "equal", "contains", "containing", "minus", "plus", "times", "divided", "multiplied", "any"}
    )
    | ALL_VERBS
    | frozenset(AGGREGATES)
    | frozenset(GRAIN_ADJECTIVES)
)
