"""A database from before keys were unique: its doubles stay, are listed, and nothing new joins them."""

import psycopg
import pytest
from sqlalchemy import URL

from backstitch import doctor
from backstitch.inventory.doubles import double_sizes, doubles
from backstitch.startup import conninfo
from tests.db.versions.lived_in import DUMPS, empty_database, restore
from tests.db.versions.test_upgrades import assert_proved, opened, upgrade

OLD = DUMPS / "0.10.0.sql.gz"
BEFORE = """
insert into inventory.products (sku, name, sizes, hsn_code) values
    ('ZZ-77', 'Frock', '{S,XXL,2XL}', '62044'), ('zz 77', 'Frock', '{S}', null);
insert into inventory.product_colors (product_id, color, colour_code)
select id, color, code from inventory.products, (values ('Sea Green', 'SG'), ('SeaGreen', 'sg')) c (color, code)
where sku = 'ZZ-77';
insert into inventory.customers (store_name) values ('Zed Stores'), ('ZED STORES'), ('zed-stores');
"""


def test_doubles_survive_the_upgrade_and_are_listed(server_url: URL, template: str) -> None:
    with empty_database(server_url, f"{template}_doubles") as url:
        restore(OLD, url)
        with psycopg.connect(conninfo(url), autocommit=True) as psql:
            psql.execute(BEFORE)
        upgrade(url)
        with opened(url) as owner, owner.anonymous() as connection:
            assert doubles(connection, "sku") == [("ZZ-77", "zz 77")]
            assert doubles(connection, "color") == [("Sea Green (SG) of ZZ-77", "SeaGreen (sg) of ZZ-77")]
            assert doubles(connection, "store_name") == [("Zed Stores", "ZED STORES", "zed-stores")]
            assert double_sizes(["S", "XXL", "2XL"]) == [["XXL", "2XL"]]
            # The HSN code of five digits stays, and is named.
            named = [found.problem for found in doctor.findings(connection, thorough=True) if found.severity == "error"]
            assert named == ["breaks hsn_code_digits"]
        with psycopg.connect(conninfo(url), autocommit=True) as psql:
            with pytest.raises(psycopg.errors.UniqueViolation) as caught:
                psql.execute("insert into inventory.customers (store_name) values ('Zed  Stores')")
            assert caught.value.diag.message_detail == "Zed Stores"
            psql.execute("update inventory.products set unit_price = 9, hsn_code = '6204' where sku = 'ZZ-77'")
            psql.execute("update inventory.products set sizes = '{S,2XL}' where sku = 'ZZ-77'")
            psql.execute("update inventory.products set sku = 'ZZ-78' where sku = 'zz 77'")
            psql.execute("update inventory.customers set store_name = 'Zed East' where store_name = 'ZED STORES'")
            psql.execute("delete from inventory.customers where store_name = 'zed-stores'")
        with opened(url) as owner, owner.anonymous() as connection:
            assert doubles(connection, "sku", "store_name") == []
        assert_proved(url)
