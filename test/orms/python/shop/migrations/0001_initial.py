from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("partition", models.IntegerField(null=True)),
                ("event_offset", models.BigAutoField(primary_key=True, serialize=False)),
                ("event_time", models.DateTimeField(null=True)),
                ("key", models.TextField(null=True)),
                ("value", models.JSONField(null=True)),
                ("headers", models.JSONField(null=True)),
            ],
            options={
                "db_table": '"events"."orders"',
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="BilledOrder",
            fields=[
                ("id", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("amount", models.IntegerField(null=True)),
            ],
            options={
                "db_table": "billed_order",
            },
        ),
        migrations.CreateModel(
            name="PlacedOrder",
            fields=[
                ("id", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("amount", models.IntegerField(null=True)),
            ],
            options={
                "db_table": "placed_order",
            },
        ),
    ]
