from django.db import models


class PlacedOrder(models.Model):
    id = models.CharField(max_length=40, primary_key=True)
    amount = models.IntegerField(null=True)

    class Meta:
        db_table = "placed_order"


class BilledOrder(models.Model):
    id = models.CharField(max_length=40, primary_key=True)
    amount = models.IntegerField(null=True)

    class Meta:
        db_table = "billed_order"


class Order(models.Model):
    """An event; what is NULL here the server gives.

    The key is (partition, event_offset), and an offset alone is not unique. It is called so nevertheless: with a
    CompositePrimaryKey that the server gives, Django 5.2 can neither bulk_create() nor read by raw()."""
    partition = models.IntegerField(null=True)
    event_offset = models.BigAutoField(primary_key=True)
    event_time = models.DateTimeField(null=True)
    key = models.TextField(null=True)
    value = models.JSONField(null=True)
    headers = models.JSONField(null=True)

    class Meta:
        db_table = '"events"."orders"'
        managed = False
