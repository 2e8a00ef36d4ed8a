"""Functions that only compute, as data. A function that no list names may do anything."""

from __future__ import annotations

from typing import Final

__all__ = ["KNOWN", "NAMED"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


KNOWN: Final = _names(
    """
    Abs Acos Acosh AddMonths And AnyValue ApproxDistinct ApproxQuantile ApproxQuantiles ApproxTopK
    ApproxTopSum ArgMax ArgMin Array ArrayAgg ArrayAll ArrayAny ArrayAppend ArrayCompact ArrayConcat
    ArrayConcatAgg ArrayConstructCompact ArrayContainedBy ArrayContains ArrayContainsAll
    ArrayDistinct ArrayExcept ArrayFilter ArrayFirst ArrayInsert ArrayIntersect ArrayLast ArrayMax
    ArrayMin ArrayOverlaps ArrayPosition ArrayPrepend ArrayRemove ArrayReverse ArraySize ArraySlice
    ArraySort ArraySum ArrayToString ArrayUniqueAgg ArrayUnionAgg ArraysZip Ascii Asin Asinh Atan
    Atan2 Atanh Avg Base64DecodeBinary Base64DecodeString Base64Encode BitLength BitwiseAndAgg
    BitwiseCount BitwiseOrAgg BitwiseXorAgg Booland Boolnot Boolor BoolxorAgg ByteLength Case Cast
    CastToStrType Cbrt Ceil Chr Coalesce CodePointsToString Collate Concat ConcatWs Contains Convert
    ConvertTimezone ConvertToCharset Corr Cos Cosh Cot Coth Count CountIf CovarPop CovarSamp
    CumeDist CurrentCatalog CurrentDatabase CurrentDate CurrentDatetime CurrentRole CurrentSchema
    CurrentSchemas CurrentTime CurrentTimestamp CurrentTimestampLTZ CurrentTimezone CurrentUser
    CurrentVersion CurrentWarehouse Date DateAdd DateBin DateDiff DateFromParts DateFromUnixDate
    DateStrToDate DateSub DateToDateStr DateToDi DateTrunc Datetime DatetimeAdd DatetimeDiff
    DatetimeSub DatetimeTrunc Day DayOfMonth DayOfWeek DayOfWeekIso DayOfYear Dayname Decode
    DecodeCase Degrees DenseRank DiToDate Elt Encode EndsWith EqualNull Exists Exp Explode
    ExplodingGenerateSeries Extract Factorial FarmFingerprint First FirstValue Flatten Floor Format
    FromBase FromBase32 FromBase64 FromISO8601Date FromISO8601Timestamp GenerateDateArray
    GenerateSeries GenerateTimestampArray Getbit Greatest GroupConcat Grouping GroupingId HashAgg
    Hex Hll Hour If Initcap Inline IsArray IsAscii IsInf IsNan IsNullValue JSONArray JSONArrayAgg
    JSONArrayAppend JSONArrayContains JSONArrayInsert JSONBContains JSONBContainsAllTopKeys
    JSONBContainsAnyTopKeys JSONBExists JSONBExtract JSONBExtractScalar JSONBObjectAgg
    JSONBPathExists JSONBool JSONCast JSONExists JSONExtract JSONExtractArray JSONExtractScalar
    JSONFormat JSONKeys JSONKeysAtDepth JSONObject JSONObjectAgg JSONRemove JSONSet JSONStripNulls
    JSONTable JSONType JSONValueArray JustifyDays JustifyHours JustifyInterval Kurtosis Lag Last
    LastDay LastValue LaxBool LaxFloat64 LaxInt64 LaxString Lead Least Left Length Levenshtein List
    Ln Localtime Localtimestamp Log LogicalAnd LogicalOr Lower LowerHex MD5 MD5Digest MakeInterval
    Map MapFromEntries MapKeys MapSize MatchAgainst Max Median Min Minute Mode Month Monthname
    MonthsBetween Nanvl NextDay Normalize NthValue Ntile Nullif NumberToStr Nvl2 ObjectAgg
    OpenJSON Or Overlay Pad ParseBignumeric ParseDatetime ParseIp ParseJSON ParseNumeric ParseTime
    ParseUrl PercentRank PercentileCont PercentileDisc Pi Posexplode Pow PreviousDay Quantile
    Quarter Radians Rand Randn RangeBucket Rank RegexpCount RegexpExtract RegexpExtractAll
    RegexpFullMatch RegexpILike RegexpInstr RegexpLike RegexpReplace RegexpSplit RegexpSubstr
    RegrAvgx RegrAvgy RegrCount RegrIntercept RegrR2 RegrSlope RegrSxx RegrSxy RegrSyy Repeat
    Replace Reverse Right Rint Round RowNumber SHA SHA1Digest SHA2 SHA2Digest SafeAdd SafeDivide
    SafeMultiply SafeNegate SafeSubtract Second SessionUser Sign Sin Sinh Skewness Soundex Space
    Split SplitPart Sqrt StandardHash StartsWith Stddev StddevPop StddevSamp StrPosition StrToDate
    StrToTime StrToUnix String StringToArray Strtok StrtokToArray Struct StructExtract Stuff
    Substring SubstringIndex Sum Systimestamp Tan Tanh Time TimeAdd TimeDiff TimeFromParts TimeSlice
    TimeStrToDate TimeStrToTime TimeStrToUnix TimeSub TimeToStr TimeToTimeStr TimeToUnix TimeTrunc
    Timestamp TimestampAdd TimestampDiff TimestampFromParts TimestampSub TimestampTrunc ToArray
    ToBase32 ToBase64 ToBinary ToBoolean ToChar ToCodePoints ToDays ToDouble ToMap ToNumber
    ToVariant Translate Trim Trunc Try TryCast TsOrDiToDi TsOrDsAdd TsOrDsDiff TsOrDsToDate
    TsOrDsToDateStr TsOrDsToDatetime TsOrDsToTime TsOrDsToTimestamp Typeof Unhex Unicode UnixDate
    UnixMicros UnixMillis UnixSeconds UnixToStr UnixToTime UnixToTimeStr Unnest Upper UtcDate
    UtcTime UtcTimestamp Uuid Variance VariancePop Week WeekOfYear WeekStart WidthBucket Xor Year
    YearOfWeek YearOfWeekIso
    """
)
"""Classes of sqlglot for functions that it knows by one name in all dialects."""

_EVERYWHERE: Final = _names(
    """
    abs acos asin atan avg cast ceil ceiling coalesce concat cos count degrees exp floor length ln
    log lower ltrim max min mod now nullif pi power radians replace round rtrim sign sin sqrt
    substr substring sum tan trim upper
    """
)

_POSTGRES: Final = _names(
    """
    age array_append array_cat array_dims array_fill array_length array_lower array_ndims
    array_position array_positions array_prepend array_remove array_replace array_to_json
    array_to_string array_upper bit_length btrim cardinality char_length character_length
    clock_timestamp col_description convert_from convert_to current_setting date_part div encode
    enum_range every format format_type gcd get_byte has_schema_privilege has_table_privilege
    hashtext height host inet_server_port initcap isempty isfinite json_agg json_array_elements
    json_array_elements_text json_array_length json_build_array json_build_object json_each
    json_each_text json_extract_path json_extract_path_text json_object json_object_agg
    json_object_keys json_populate_record json_strip_nulls json_to_record json_to_recordset
    json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length
    jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path
    jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys
    jsonb_path_exists jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty
    jsonb_set jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof justify_interval
    lcm lower_inc lpad make_date make_interval make_time make_timestamp make_timestamptz masklen
    min_scale multirange network num_nonnulls num_nulls numnode obj_description octet_length
    overlay parse_ident pg_backend_pid pg_column_size pg_conf_load_time pg_database_size
    pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef pg_get_serial_sequence
    pg_get_userbyid pg_get_viewdef pg_indexes_size pg_is_in_recovery pg_postmaster_start_time
    pg_relation_size pg_size_bytes pg_size_pretty pg_table_is_visible pg_table_size
    pg_tablespace_size pg_total_relation_size pg_typeof plainto_tsquery phraseto_tsquery
    querytree quote_ident quote_literal quote_nullable random range_agg range_merge regexp_count
    regexp_instr regexp_match regexp_matches regexp_split_to_array regexp_split_to_table
    regexp_substr repeat reverse row row_to_json rpad scale set_byte sha224 sha256 sha384 sha512
    shobj_description similarity statement_timestamp string_to_array string_to_table strip
    timeofday timezone to_ascii to_date to_hex to_json to_jsonb to_number to_regclass to_timestamp
    to_tsquery to_tsvector transaction_timestamp trim_array trim_scale trunc ts_headline ts_rank
    ts_rank_cd tsvector_to_array unistr unnest upper_inc version websearch_to_tsquery width
    width_bucket word_similarity xmlagg bool_and bool_or bit_and bit_or string_agg array_agg mode
    corr stddev variance var_pop var_samp
    """
)

_MYSQL: Final = _names(
    """
    adddate addtime aes_decrypt any_value bin bin_to_uuid bit_and bit_count bit_length bit_or
    char_length character_length charset coercibility collation connection_id conv convert_tz crc32
    curdate current_role curtime database date_format dayname dayofmonth dayofweek dayofyear elt
    export_set extractvalue field find_in_set format format_bytes from_base64 from_days
    from_unixtime get_format greatest group_concat hex hour if ifnull inet6_aton inet6_ntoa inet_aton
    inet_ntoa insert instr interval is_ipv4 is_ipv6 is_uuid isnull json_array json_arrayagg
    json_contains json_contains_path json_depth json_extract json_keys json_length json_merge_patch
    json_merge_preserve json_object json_objectagg json_overlaps json_pretty json_quote json_search
    json_storage_size json_table json_type json_unquote json_valid json_value last_day lcase least
    left locate log10 log2 lpad makedate maketime md5 microsecond mid minute monthname name_const
    oct octet_length ord period_add period_diff position quarter quote rand regexp_instr
    regexp_like regexp_replace regexp_substr repeat reverse right row_count rpad sec_to_time
    second schema sha sha1 sha2 soundex space st_area st_asgeojson st_astext st_contains st_distance
    st_x st_y std stddev str_to_date strcmp subdate substring_index subtime sysdate time_format
    time_to_sec timediff timestampadd timestampdiff to_base64 to_days to_seconds truncate ucase
    uncompress unhex unix_timestamp user utc_date utc_time utc_timestamp uuid uuid_to_bin
    var_pop variance version week weekday weekofyear weight_string year yearweek
    """
)

_SQLITE: Final = _names(
    """
    changes char concat_ws date datetime format glob group_concat hex ifnull iif instr json
    json_array json_array_length json_each json_extract json_group_array json_group_object
    json_object json_patch json_quote json_remove json_replace json_set json_tree json_type
    json_valid julianday last_insert_rowid likelihood likely log10 log2 nullif octet_length printf
    quote random randomblob sqlite_version strftime string_agg time timediff total total_changes
    trunc typeof unhex unicode unixepoch unlikely zeroblob pragma_table_info pragma_index_list
    pragma_index_info pragma_foreign_key_list pragma_table_list pragma_database_list
    pragma_function_list pragma_compile_options bm25 highlight snippet generate_series
    """
)

_TSQL: Final = _names(
    """
    app_name ascii binary_checksum charindex checksum choose col_length col_name concat_ws
    columnproperty convert count_big cume_dist datalength dateadd datediff datediff_big
    datefromparts datename datepart datetime2fromparts datetimefromparts day db_id db_name
    difference eomonth error_message error_number format getdate getutcdate greatest grouping_id
    has_perms_by_name hashbytes iif index_col indexproperty is_member is_rolemember
    is_srvrolemember isdate isjson isnull isnumeric json_array json_modify json_object json_path_exists
    json_query json_value least left len month nchar newid object_definition object_id object_name
    object_schema_name objectproperty openjson original_login parsename patindex quotename rand
    replicate reverse right rowcount_big schema_id schema_name scope_identity serverproperty
    soundex space square stdev stdevp str string_agg string_escape string_split stuff suser_name
    suser_sname switchoffset sysdatetime sysdatetimeoffset system_user sysutcdatetime
    timefromparts todatetimeoffset translate try_cast try_convert try_parse type_id type_name
    unicode user_id user_name var varp year approx_count_distinct generate_series date_bucket
    """
)

_BIGQUERY: Final = _names(
    """
    any_value approx_count_distinct approx_quantiles approx_top_count approx_top_sum array_agg
    array_concat array_length array_reverse array_to_string ascii bit_and bit_count bit_or
    bit_xor byte_length char_length chr code_points_to_string contains_substr countif
    current_date current_datetime current_timestamp date date_add date_diff date_from_unix_date
    date_sub date_trunc datetime datetime_add datetime_diff datetime_sub datetime_trunc div
    edit_distance ends_with extract farm_fingerprint first_value format format_date
    format_datetime format_time format_timestamp from_base64 from_hex generate_array
    generate_date_array generate_timestamp_array generate_uuid greatest ieee_divide
    if ifnull initcap instr int64 is_inf is_nan json_extract json_extract_array
    json_extract_scalar json_extract_string_array json_query json_query_array json_type json_value
    json_value_array last_day least left logical_and logical_or lpad md5 normalize offset ordinal
    parse_date parse_datetime parse_json parse_timestamp range_bucket regexp_contains
    regexp_extract regexp_extract_all regexp_instr regexp_replace repeat reverse right rpad
    safe_add safe_cast safe_divide safe_multiply safe_negate safe_offset safe_ordinal
    safe_subtract session_user sha1 sha256 sha512 soundex split st_area st_astext st_contains
    st_distance st_geogpoint st_within starts_with string string_agg strpos struct time
    timestamp timestamp_add timestamp_diff timestamp_micros timestamp_millis timestamp_seconds
    timestamp_sub timestamp_trunc to_base64 to_hex to_json to_json_string trunc unicode unix_date
    unix_micros unix_millis unix_seconds
    """
)

_SNOWFLAKE: Final = _names(
    """
    any_value approx_count_distinct array_agg array_append array_cat array_compact array_construct
    array_contains array_distinct array_intersection array_position array_size array_slice
    array_to_string as_array as_varchar charindex contains convert_timezone current_account
    current_region current_statement current_transaction dateadd datediff date_from_parts
    date_part date_trunc dayname decode div0 div0null endswith equal_null get get_path hash
    iff ifnull insert is_array is_integer is_null_value is_object last_day listagg lpad
    monthname nullifzero nvl nvl2 object_agg object_construct object_delete object_insert
    object_keys parse_json ratio_to_report regexp_count regexp_instr regexp_like regexp_replace
    regexp_substr rpad seq4 seq8 split split_part split_to_table startswith strtok
    strtok_to_array time_slice timediff timestampadd timestampdiff to_array to_boolean to_char
    to_date to_decimal to_double to_json to_number to_object to_time to_timestamp
    to_timestamp_ltz to_timestamp_ntz to_timestamp_tz to_varchar to_variant try_parse_json
    try_to_boolean try_to_date try_to_decimal try_to_number try_to_timestamp typeof
    uniform uuid_string zeroifnull
    """
)

_DUCKDB: Final = _names(
    """
    age any_value approx_count_distinct arg_max arg_min array_extract array_length array_slice
    bar bit_count bool_and bool_or century contains count_star current_database current_schema
    date_add date_diff date_part date_sub date_trunc datediff datepart day dayname dayofweek
    dayofyear decade editdist3 element_at ends_with entropy epoch epoch_ms even favg first
    flatten format formatreadablesize fsum gcd generate_series generate_subscripts hamming hash
    histogram hour instr isfinite isinf isnan jaccard json json_array json_array_length
    json_extract json_extract_string json_keys json_object json_structure json_type json_valid
    kurtosis last last_day lcm left levenshtein list list_aggregate list_append list_concat
    list_contains list_count list_distinct list_element list_extract list_filter list_has
    list_max list_min list_position list_reduce list_reverse list_reverse_sort list_slice
    list_sort list_sum list_transform list_unique list_value list_zip lpad ltrim make_date
    make_time make_timestamp map map_entries map_extract map_keys map_values md5 median
    millisecond minute mode month monthname nextafter ord parse_filename position prefix
    printf product quantile quantile_cont quantile_disc quarter range regexp_extract
    regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array
    repeat reverse right row rpad second sha256 skewness split split_part starts_with
    str_split str_split_regex strftime string_split strip_accents strlen strpos strptime
    struct_extract struct_pack suffix time_bucket timezone to_base to_base64 to_days to_hours
    to_json to_minutes to_months to_seconds to_timestamp today trunc try_strptime typeof
    unicode unnest upper uuid version week weekday weekofyear year yearweek
    """
)

_ORACLE: Final = _names(
    """
    add_months ascii asciistr bitand chr compose convert cosh cume_dist current_date
    current_timestamp decode dense_rank dump extract first_value from_tz greatest grouping_id
    hextoraw initcap instr instrb json_exists json_query json_serialize json_value lag last_day
    last_value lead least lengthb listagg lnnvl localtimestamp lpad median months_between nanvl
    new_time next_day nlssort ntile numtodsinterval numtoyminterval nvl nvl2 ora_hash
    percent_rank percentile_cont rank ratio_to_report rawtohex regexp_count regexp_instr
    regexp_like regexp_replace regexp_substr remainder row_number rowidtochar rpad
    sessiontimezone sinh soundex stddev substrb sys_context sys_extract_utc sys_guid systimestamp
    tanh to_char to_clob to_date to_dsinterval to_number to_timestamp to_timestamp_tz
    to_yminterval translate treat trunc tz_offset uid user userenv variance vsize width_bucket
    xmlagg xmlelement
    """
)

NAMED: Final[dict[str, frozenset[str]]] = {
    "": _EVERYWHERE,
    "bigquery": _EVERYWHERE | _BIGQUERY,
    "duckdb": _EVERYWHERE | _DUCKDB,
    "mysql": _EVERYWHERE | _MYSQL,
    "oracle": _EVERYWHERE | _ORACLE,
    "postgres": _EVERYWHERE | _POSTGRES,
    "snowflake": _EVERYWHERE | _SNOWFLAKE,
    "sqlite": _EVERYWHERE | _SQLITE,
    "tsql": _EVERYWHERE | _TSQL,
}
"""Functions that sqlglot does not know, by dialect, in lower case."""
