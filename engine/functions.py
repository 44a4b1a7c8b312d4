"""The functions that SQL in a plan may call: an allow-list, because deny-lists leak."""

__all__ = ["CLASSES", "NAMES", "TABLE_FUNCTIONS", "VOLATILE", "VOLATILE_CLASSES", "words"]


def words(text: str) -> frozenset[str]:
    """The words of a text as a set: long lists of names stay readable as prose."""
    return frozenset(text.split())


NAMES = words(
    """
    abs acos acosh add age any_value apply approx_count_distinct approx_quantile arbitrary arg_max arg_max_null arg_min
    arg_min_null argmax argmin array_agg array_aggr array_aggregate array_append array_apply array_cat array_concat
    array_contains array_distinct array_extract array_filter array_has array_has_all array_has_any array_indexof
    array_intersect array_length array_pop_back array_pop_front array_position array_prepend array_push_back
    array_push_front array_resize array_reverse array_reverse_sort array_slice array_sort array_to_json array_to_string
    array_transform array_unique array_value array_where array_zip ascii asin asinh atan atan2 atanh avg bar base64 bin
    bit_and bit_count bit_length bit_or bit_xor bool_and bool_or cardinality cbrt ceil ceiling century char_length
    character_length chr coalesce collate concat concat_ws contains corr cos cosh cot count count_if count_star countif
    covar_pop covar_samp cume_dist damerau_levenshtein date_add date_diff date_part date_sub date_trunc dateadd datediff
    datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear days_in_month decade decode degrees dense_rank
    divide editdist3 element_at encode ends_with entropy epoch epoch_ms epoch_ns epoch_us era error even exp factorial
    favg fdiv filter first first_value flatten floor fmod format format_bytes from_base64 from_hex from_json fsum gamma
    gcd generate_series geomean geometric_mean greatest greatest_common_divisor group_concat grouping grouping_id
    hamming hash hex histogram hour if ifnull ilike_escape instr isfinite isinf isnan isnull isodow isoyear jaccard
    jaro_similarity jaro_winkler_similarity json_array json_array_length json_contains json_exists json_extract
    json_extract_path json_extract_path_text json_extract_string json_group_array json_group_object json_keys
    json_merge_patch json_object json_quote json_structure json_type json_valid json_value julian kahan_sum kurtosis
    kurtosis_pop lag last last_day last_value lcase lcm lead least least_common_multiple left left_grapheme len length
    length_grapheme levenshtein lgamma like_escape list list_aggr list_aggregate list_any_value list_append list_apply
    list_avg list_cat list_concat list_contains list_count list_distinct list_element list_extract list_filter
    list_first list_has list_has_all list_has_any list_indexof list_intersect list_last list_max list_median list_min
    list_mode list_pack list_position list_prepend list_product list_reverse list_reverse_sort list_select list_slice
    list_sort list_string_agg list_sum list_transform list_unique list_value list_where list_zip listagg ln log log10
    log2 lower lpad ltrim mad make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz
    map map_concat map_contains map_entries map_extract map_extract_value map_from_entries map_keys map_values max
    max_by md5 md5_number mean median microsecond millennium millisecond min min_by minute mismatches mod mode month
    monthname multiply nextafter nfc_normalize not_ilike_escape not_like_escape nth_value ntile nullif octet_length ord
    overlay parse_dirname parse_dirpath parse_filename parse_path percent_rank percentile_cont percentile_disc pi
    position pow power prefix printf product quantile quantile_cont quantile_disc quarter radians range rank
    regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
    regexp_split_to_array regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
    repeat replace reverse right right_grapheme round round_even roundbankers row row_number row_to_json rpad rtrim
    second sem sha1 sha256 sign signbit sin sinh skewness split split_part sqrt starts_with stddev stddev_pop
    stddev_samp str_split str_split_regex strftime string_agg string_split string_split_regex string_to_array
    strip_accents strlen strpos strptime struct_concat struct_extract struct_insert struct_keys struct_pack
    struct_values substr substring substring_grapheme subtract suffix sum sum_no_overflow sumkahan tan tanh time_bucket
    timezone timezone_hour timezone_minute to_base to_base64 to_binary to_centuries to_days to_decades to_hex to_hours
    to_json to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp
    to_weeks to_years translate trim trunc try try_strptime typeof ucase unhex unicode unnest upper url_decode
    url_encode var_pop var_samp variance wavg week weekday weekofyear weighted_avg xor year yearweek
    """
)
"""DuckDB's names of the functions that may be called."""

CLASSES = words(
    """
    Abs Acos Acosh And AnyValue ApproxDistinct ApproxQuantile ArgMax ArgMin Array ArrayAgg ArrayAppend ArrayConcat
    ArrayContains ArrayContainsAll ArrayContainedBy ArrayDistinct ArrayFilter ArrayIntersect ArrayMax ArrayMin
    ArrayOverlaps ArrayPosition ArrayPrepend ArrayReverse ArraySize ArraySlice ArraySort ArrayToString Ascii Asin Asinh
    Atan Atan2 Atanh Avg BitLength BitwiseAndAgg BitwiseOrAgg BitwiseXorAgg Case Cast Cbrt Ceil Chr Coalesce Collate
    Concat ConcatWs Contains Corr Cos Cosh Cot Count CountIf CovarPop CovarSamp CumeDist Date DateAdd DateBin DateDiff
    DateFromParts DateSub Day DayOfMonth DayOfWeek DayOfWeekIso DayOfYear Dayname Decode Degrees DenseRank Encode
    EndsWith Exists Exp Explode Extract Factorial First FirstValue Flatten Floor Format FromBase64 FromJson
    GenerateSeries Greatest GroupConcat Grouping GroupingId Hex Hour If Initcap IsInf IsNan JSONArray JSONArrayContains
    JSONBExtract JSONBExtractScalar JSONExtract JSONExtractScalar JSONKeys JSONObject JSONType JarowinklerSimilarity
    Kurtosis Lag Last LastDay LastValue Lead Least Left Length Levenshtein List Ln Log LogicalAnd LogicalOr Lower MD5
    Map MapFromEntries MapKeys Max Median Min Minute Mode Month Monthname NthValue Ntile Nullif Or Overlay Pad
    ParseJSON PercentRank PercentileCont PercentileDisc Pi Pow Quantile Quarter Radians Rank RegexpExtract
    RegexpExtractAll RegexpFullMatch RegexpILike RegexpLike RegexpReplace RegexpSplit RegrAvgx RegrAvgy RegrCount
    RegrIntercept RegrR2 RegrSlope RegrSxx RegrSxy RegrSyy Repeat Replace Reverse Right Round RowNumber SHA SHA2 Second
    Sign Sin Sinh Skewness SortArray Split SplitPart Sqrt StartsWith Stddev StddevPop StddevSamp StrPosition StrToTime
    Struct StructExtract Substring Sum Tan Tanh Time TimeFromParts TimeToStr TimeToUnix Timestamp TimestampFromParts
    TimestampTrunc DateTrunc ToBase64 ToBinary ToDays ToMap Columns Transform Translate Trim Trunc Try TryCast TsOrDsAdd
    Typeof Unhex Unicode UnixToTime Unnest Upper Variance VariancePop VarMap Week WeekOfYear Xor Year
    """
)
"""sqlglot's classes that those names (and the operators among them) parse to."""

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
"""Functions that may stand in FROM: they read nothing."""

VOLATILE = words(
    """
    ago current_date current_localtime current_localtimestamp current_time current_timestamp currval gen_random_uuid
    get_current_time get_current_timestamp localtime localtimestamp nextval now rand random reservoir_quantile setseed
    today transaction_timestamp txid_current current_transaction_id uuid uuidv4 uuidv7
    """
)
"""Names whose value changes from run to run: refused with that reason."""

VOLATILE_CLASSES = words(
    """
    CurrentDate CurrentDatetime CurrentTime CurrentTimestamp CurrentTimestampLTZ Localtime Localtimestamp NextValueFor
    Rand Randn TableSample Uuid
    """
)
