"""Gives each kind of name one key, and refuses a second name with the key of another.

Why: zk-77, ZK-77 and ZK-77 with a mark that nobody sees were three products, NavyBlue and navy-blue two colours, 2XL
and XXL two sizes, each with a part of the stock.
Locks: ACCESS EXCLUSIVE on inward_logs and sales_logs while their indexes of parties are built anew (some seconds for a
million entries). runtime.name_keys is filled from the names that stand; doubles among them stay, with a place above
0.

The functions are frozen with the indexes that are made of them. A change of one is a new function, and new indexes.
backstitch/inventory/names.py mirrors them.

Adds the layouts of sheets that people match by hand (inventory.sheet_layouts), which the paste page remembers.
"""

from db.migrations.sql import run_as_owner

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Letters whose other case differs, of Latin, Greek, Cyrillic and Armenian, in NFKC. lower() would depend on the
# collation of the database and on the release of PostgreSQL.
CAPITALS = (
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĴĶĹĻĽŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽ"
    "ƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƠƢƤƦƧƩƬƮƯƱƲƳƵƷƸƼǍǏǑǓǕǗǙǛǞǠǢǤǦǨǪǬǮǴǶǷǸǺǼǾȀȂȄȆȈȊȌȎȐȒȔȖȘȚȜȞȠȢȤȦȨȪȬȮȰȲȺȻȽȾ"
    "ɁɃɄɅɆɈɊɌɎͰͲͶͿΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫϏϘϚϜϞϠϢϤϦϨϪϬϮϷϺϽϾϿЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙ"
    "КЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬӮ"
    "ӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖḀḂḄḆḈḊḌḎḐḒḔḖḘḚḜḞḠḢḤḦ"
    "ḨḪḬḮḰḲḴḶḸḺḼḾṀṂṄṆṈṊṌṎṐṒṔṖṘṚṜṞṠṢṤṦṨṪṬṮṰṲṴṶṸṺṼṾẀẂẄẆẈẊẌẎẐẒẔẞẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢ"
    "ỤỦỨỪỬỮỰỲỴỶỸỺỼỾἈἉἊἋἌἍἎἏἘἙἚἛἜἝἨἩἪἫἬἭἮἯἸἹἺἻἼἽἾἿὈὉὊὋὌὍὙὛὝὟὨὩὪὫὬὭὮὯᾈᾉᾊᾋᾌᾍᾎᾏᾘᾙᾚᾛᾜᾝᾞᾟᾨᾩᾪᾫᾬᾭᾮᾯᾸᾹᾺᾼ"
    "ῈῊῌῘῙῚῨῩῪῬῸῺῼς"
)
SMALL_LETTERS = (
    "àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĵķĺļľłńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷÿźżž"
    "ɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵơƣƥʀƨʃƭʈưʊʋƴƶʒƹƽǎǐǒǔǖǘǚǜǟǡǣǥǧǩǫǭǯǵƕƿǹǻǽǿȁȃȅȇȉȋȍȏȑȓȕȗșțȝȟƞȣȥȧȩȫȭȯȱȳⱥȼƚⱦ"
    "ɂƀʉʌɇɉɋɍɏͱͳͷϳάέήίόύώαβγδεζηθικλμνξοπρστυφχψωϊϋϗϙϛϝϟϡϣϥϧϩϫϭϯϸϻͻͼͽѐёђѓєѕіїјљњћќѝўџабвгдежзий"
    "клмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭӯ"
    "ӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆḁḃḅḇḉḋḍḏḑḓḕḗḙḛḝḟḡḣḥḧ"
    "ḩḫḭḯḱḳḵḷḹḻḽḿṁṃṅṇṉṋṍṏṑṓṕṗṙṛṝṟṡṣṥṧṩṫṭṯṱṳṵṷṹṻṽṿẁẃẅẇẉẋẍẏẑẓẕßạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợ"
    "ụủứừửữựỳỵỷỹỻỽỿἀἁἂἃἄἅἆἇἐἑἒἓἔἕἠἡἢἣἤἥἦἧἰἱἲἳἴἵἶἷὀὁὂὃὄὅὑὓὕὗὠὡὢὣὤὥὦὧᾀᾁᾂᾃᾄᾅᾆᾇᾐᾑᾒᾓᾔᾕᾖᾗᾠᾡᾢᾣᾤᾥᾦᾧᾰᾱὰᾳ"
    "ὲὴῃῐῑὶῠῡὺῥὸὼῳσ"
)

KEYS = (
    r"""
create function inventory.plain_name(name text) returns text
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
    plain text;
begin
    if octet_length(name) = length(name) then
        return lower(name collate "C");
    end if;
    -- Formatting, direction and variation marks, fillers, and the blank of Braille: nobody sees them.
    plain := regexp_replace(
        normalize(name, NFKC),
        '[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f'
        '\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\ufff9-\ufffb'
        '\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]', '', 'g');
    return normalize(lower(translate(plain, '"""
    + CAPITALS
    + "', '"
    + SMALL_LETTERS
    + r"""') collate "C"), NFKC);
end
$$;
comment on function inventory.plain_name(text) is
    'Returns a name without what nobody sees or means: case, width (NFKC) and invisible characters.';

create function inventory.name_key(name text) returns text
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
    plain constant text := inventory.plain_name(name);
    one_kind constant text := translate(plain,
        E' \t\n\u000b\f\r\u0085\u1680\u2028\u2029\u058a\u05be\u1400\u1806'
        '\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u301c\u3030',
        '-----------------------');
begin
    -- Unit 1-12 and Unit 11-2 are two.
    if one_kind ~ '[0-9]-+[0-9]' then
        return regexp_replace(regexp_replace(one_kind, '(?<![0-9])-+|-+(?![0-9-])', '', 'g'), '-+', '-', 'g');
    end if;
    return coalesce(nullif(translate(one_kind, '-', ''), ''), plain);
end
$$;
comment on function inventory.name_key(text) is
    'Returns the key of a colour, a colour code or a party: its plain name without blanks and hyphens, but one between '
    'two digits. Two names with one key are one thing.';

create function inventory.sku_key(sku text) returns text
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
    plain constant text := inventory.plain_name(sku);
    key text;
begin
    key := btrim(regexp_replace(plain,
        '[- \t\n\u000b\f\r\u0085\u1680\u2028\u2029\u058a\u05be\u1400\u1806\u2010-\u2015\u2212\u301c\u3030]+', '-', 'g'),
        '-');
    -- KT-104, KT 104 and KT104 are one SKU; 1-12 and 11-2 are two, and so are A-BC and AB-C.
    key := regexp_replace(key, '(?<=[0-9])-(?=[^0-9])|(?<=[^0-9])-(?=[0-9])', '', 'g');
    return coalesce(nullif(key, ''), plain);
end
$$;
comment on function inventory.sku_key(text) is
    'Returns the key of a SKU: its plain name with one hyphen for blanks and hyphens, and none between a digit and '
    'something else.';

create function inventory.size_key(size text) returns text
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
    plain constant text := inventory.plain_name(size);
    key text := translate(plain,
        E'\u058a\u05be\u1400\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u301c\u3030'
        '\u00d7* \t\n\u000b\f\r\u0085\u1680\u2028\u2029',
        '-------------xx');
    parts text[];
    times integer;
    unit text;
    words text;
begin
    key := regexp_replace(key, '^(size|sz)[-:.]?(?=.)', '');
    -- 38.0 and 038 are 38; 00 stays.
    key := regexp_replace(key, '(?<=[0-9])[.]0+(?![0-9])', '', 'g');
    key := regexp_replace(key, '(?<![0-9.])0+(?=[1-9])', '', 'g');
    key := regexp_replace(key, '^([0-9]+([.][0-9]+)?)-?("|in|inch|inches)$', '\1');

    parts := regexp_match(key,
        '^(?:([0-9]{1,2})-?|(double|triple)-?)?((?:x|extra-?)*)-?(s|small|m|med|medium|l|large)$');
    if parts is not null then
        times := length(replace(replace(parts[3], '-', ''), 'extra', 'x'));
        if times = 1 then
            times := coalesce(parts[1]::integer, case parts[2] when 'double' then 2 when 'triple' then 3 end, 1);
        elsif parts[1] is not null or parts[2] is not null then
            times := null;
        end if;
        if times = 0 and parts[1] is null or times between 1 and 20 and left(parts[4], 1) <> 'm' then
            return case when times > 1 then times::text else '' end || repeat('x', least(times, 1))
                || left(parts[4], 1);
        end if;
    end if;
    if replace(key, '-', '') in ('free', 'freesize', 'fs', 'f/s', 'onesize', '1size', 'onesizefitsall', 'os', 'o/s')
    then
        return 'free';
    end if;
    if replace(key, '-', '') in ('newborn', 'nb') then
        return 'newborn';
    end if;
    foreach unit in array array['y', 'm'] loop
        words := case unit when 'y' then '(?:y|yr|yrs|year|years)' else '(?:m|mo|mos|mth|mths|month|months)' end;
        parts := regexp_match(key, format('^([0-9]+)%1$s?(?:-|to)([0-9]+)-?%1$s(?:old)?$', words));
        if parts is not null then
            return parts[1] || '-' || parts[2] || unit;
        end if;
        key := regexp_replace(key, format('^([0-9]+)-?%s(?:old)?$', words), '\1' || unit);
    end loop;
    key := regexp_replace(key, '^w?([0-9][0-9])-?(?:x|l)-?l?([0-9][0-9])$', '\1x\2');
    return coalesce(nullif(btrim(key, '-'), ''), plain);
end
$$;
comment on function inventory.size_key(text) is
    'Returns the key of a size: XXL and 2XL, FREE and Free Size, Size 40 and 38.0, 2-4 Yrs, 32 X 34 by a fixed table.';
"""
)

NAME_KEYS = r"""
create table runtime.name_keys (
    kind text not null
        constraint name_kind_known check (kind in ('sku', 'color', 'colour_code', 'store_name', 'agency_name')),
    scope bigint not null,
    key text not null,
    place smallint not null default 0 constraint place_not_negative check (place >= 0),
    owner_id bigint not null,
    constraint name_key_unique primary key (kind, scope, key, place)
);
create unique index name_key_of_owner on runtime.name_keys (kind, owner_id);

comment on table runtime.name_keys is
    'The key of each name: a name whose key is taken is refused. Derived from the tables, so not on the record. '
    'Written by triggers only (db/inventory/names.sql).';
comment on column runtime.name_keys.kind is 'The column of the name.';
comment on column runtime.name_keys.scope is 'Of colours and colour codes the product, otherwise 0.';
comment on column runtime.name_keys.place is
    '0; more for a name that stood beside another one with its key when keys became unique (version 0.11).';
comment on column runtime.name_keys.owner_id is 'id of the row that has the name.';

insert into runtime.name_keys (kind, scope, key, place, owner_id)
select n.kind, n.scope, n.key, row_number() over (partition by n.kind, n.scope, n.key order by n.id) - 1, n.id
from (
    select 'sku', 0, inventory.sku_key(p.sku), p.id from inventory.products p
    union all
    select 'color', c.product_id, inventory.name_key(c.color), c.id from inventory.product_colors c
    union all
    select 'colour_code', c.product_id, inventory.name_key(c.colour_code), c.id from inventory.product_colors c
    union all
    select 'store_name', 0, inventory.name_key(u.store_name), u.id from inventory.customers u
    union all
    select 'agency_name', 0, inventory.name_key(a.agency_name), a.id from inventory.agencies a
) n (kind, scope, key, id);
"""

# Entries have their parties by name: they are found by key from here on.
PARTY_INDEXES = r"""
drop index inventory.inward_logs_by_stakeholder;
drop index inventory.sales_logs_by_store;
drop index inventory.sales_logs_by_agency;
drop index inventory.customers_by_name;
create index inward_logs_by_stakeholder
    on inventory.inward_logs (inventory.name_key(stakeholder_name), date desc, id desc);
create index sales_logs_by_store on inventory.sales_logs (inventory.name_key(store), date desc, id desc);
create index sales_logs_by_agency on inventory.sales_logs (inventory.name_key(agency)) where agency <> '';
"""

# Rules of the trade. NOT VALID everywhere, so that all databases of this version are alike: a row that broke one before
# stays, is named by the doctor, and must be put right at its next change.
RULES = r"""
create or replace function inventory.gstin_valid(gstin text) returns boolean
language sql immutable strict parallel safe
as $$
    -- State code (97: other territory, 99: centre), PAN, or TAN of who deducts tax, number of the registration in the
    -- state, one more character, and the check digit in base 36 (Luhn mod 36): values at even positions count twice,
    -- and the two base-36 digits of each product are added.
    select gstin ~ '^(0[1-9]|[12][0-9]|3[0-8]|97|99)[A-Z]{4}[A-Z0-9][0-9]{4}[A-Z][1-9A-Z][0-9A-Z]{2}$'
        and substr(gstin, 15, 1) = substr(alphabet.all_36, (1 + (36 - total.digits % 36) % 36)::integer, 1)
    from (values ('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ')) alphabet (all_36)
    cross join lateral (
        select sum(product / 36 + product % 36) as digits
        from (select (strpos(alphabet.all_36, substr(gstin, n, 1)) - 1) * (2 - n % 2) as product
              from generate_series(1, 14) n) products
    ) total
$$;

alter table inventory.products drop constraint hsn_code_digits;
alter table inventory.products add constraint hsn_code_digits
    check (hsn_code ~ '^([0-9]{4}|[0-9]{6}|[0-9]{8})$') not valid;
alter table inventory.inward_logs add constraint inward_date_finite check (isfinite(date)) not valid;
alter table inventory.sales_logs add constraint sale_date_finite check (isfinite(date)) not valid;
alter table inventory.stock_adjustments add constraint adjustment_date_finite check (isfinite(date)) not valid;
alter table inventory.orders
    add constraint order_date_finite check (isfinite(date)) not valid,
    add constraint dispatch_date_finite check (isfinite(dispatch_date)) not valid;
"""


# The headings are part of an index, whose rows have at most 2,704 bytes.
SHEET_LAYOUTS = r"""
create table inventory.sheet_layouts (
    id bigint generated always as identity primary key,
    kind text not null constraint layout_kind_known check (kind in ('inward', 'sales', 'orders', 'products')),
    headings text[] not null
        constraint layout_headings_short check (inventory.texts_short(headings, 60, 100))
        constraint layout_headings_fit check (octet_length(array_to_string(headings, '')) between 1 and 1900),
    columns text[] not null constraint layout_columns_short check (inventory.texts_short(columns, 60, 40)),
    date_order text
        constraint layout_date_order_known check (date_order in ('day first', 'month first')),
    constraint layout_columns_match check (cardinality(columns) = cardinality(headings)),
    constraint layout_unique unique (kind, headings)
);
comment on table inventory.sheet_layouts is
    'The columns of sheets as somebody matched them by hand: a sheet with the same headings is read the same way.';
comment on column inventory.sheet_layouts.kind is 'What is pasted: inward, sales, orders or products.';
comment on column inventory.sheet_layouts.headings is
    'The headings of the sheet in its order, without case, spaces and punctuation.';
comment on column inventory.sheet_layouts.columns is
    'For each heading the field that the column has, `size M` for a column of a size, or an empty text: left out.';
comment on column inventory.sheet_layouts.date_order is
    'How its dates of three numbers are read; null: nobody has chosen.';
"""


def upgrade() -> None:
    run_as_owner(KEYS)
    run_as_owner(NAME_KEYS)
    run_as_owner(PARTY_INDEXES)
    run_as_owner(SHEET_LAYOUTS)
    run_as_owner(RULES)
