"""The table of the bench as a Django model, tracked by django-pghistory: every insert, update and delete.

The level of the triggers is the setting PGHISTORY_LEVEL. An update keeps the new row, as is its default.
"""

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.db import models


@pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
class Product(models.Model):  # type: ignore[misc]  # Django is not installed where types are checked
    """`products`, which the bench itself creates."""

    id = models.BigAutoField(primary_key=True)
    sku = models.TextField(unique=True)
    name = models.TextField()
    description = models.TextField()
    category = models.TextField()
    unit_price = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    hsn_code = models.TextField(null=True)
    gst_rate = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    sizes = ArrayField(models.TextField())
    reorder_level = models.IntegerField()
    is_active = models.BooleanField()

    class Meta:
        db_table = "products"
        managed = False
