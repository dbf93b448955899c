"""The events that every contestant gets: the same for the same seed, skewed keys, payloads with the entropy of real ones.

json100, json200, json1k, json10k: JSON of about 100 B, 200 B, 1 KB, 10 KB: ids, times, names, amounts, of which nothing repeats
that would not in a shop's orders. bytes100, bytes1k, bytes10k: random bytes, which nothing compresses.
"""
import bisect
import itertools
import json
import random

FIRST = """Aiko Amir Anna Bela Carlos Chiara Dana David Elif Emma Farid Fatima Finn Grace Hanna Hugo Ines Ivan Jana Joao Jonas
Karin Kofi Laila Lars Lena Lucas Maja Marek Maria Mehmet Mia Nadia Nils Noor Olga Oscar Paula Pedro Petra Priya Rafael Ravi Rosa
Samir Sara Sofia Tariq Tomas Ulla Vera Victor Wei Yara Yusuf Zoe""".split()
LAST = """Adler Almeida Bauer Berg Costa Dahl Diaz Eriksen Fischer Garcia Gruber Haddad Hansen Ito Jansen Kaya Keller Kowalski
Kumar Lang Larsen Lopez Maier Moreau Nagy Novak Okafor Olsen Patel Petrov Rossi Russo Sato Schmid Silva Singh Tanaka Toth Vogel
Wagner Weber Yilmaz Zimmer""".split()
CITIES = """Aarhus Basel Bologna Bremen Brno Cork Dresden Gent Graz Leeds Lille Linz Lyon Malmo Nantes Odense Porto Riga Split
Turku Vigo""".split()
STREETS = "Mill Station School Church Garden Park River Bridge Market Castle Forest Harbour Station North South".split()
GOODS = """bolt nut washer screw hinge bracket drill hammer saw chisel clamp plane level tape glue paint brush roller ladder
lamp cable plug switch fuse socket pipe valve tap hose pump filter seal gasket spring bearing wheel belt chain gear shaft motor
fan""".split()
LOOKS = """small large light heavy steel brass copper oak pine black white grey green blue red matt bright long short round
flat""".split()
WORDS = """please ring leave at the door with neighbour call before delivery not after six in the evening gift wrapped as agreed
by phone second floor left entrance behind garage invoice to office urgent fragile keep dry return empty boxes driver knows way
parcel shop next corner""".split()
TYPES = ["order.created", "order.paid", "order.packed", "order.sent", "order.cancelled", "payment.failed", "refund.made"]
WEIGHTS = [30, 25, 18, 15, 4, 5, 3]
CUSTOMERS = 20000
# customers by how often they come: zipf with exponent 1.1
SKEW = list(itertools.accumulate((rank + 1) ** -1.1 for rank in range(CUSTOMERS)))


def moment(draw, number):
    return 1767225600000 + number * 137 + draw.randrange(137)


def item(draw):
    price = draw.randint(49, 49999)
    return {"sku": f"{draw.choice('ABCDEFGH')}{draw.randrange(10 ** 6):06}",
            "name": f"{draw.choice(LOOKS)} {draw.choice(LOOKS)} {draw.choice(GOODS)}",
            "quantity": draw.choice((1, 1, 1, 2, 2, 3, 4, 10)), "price": price / 100, "tax": 20 if price % 7 else 10}


def order(draw, number, customer, items):
    event = {"id": f"{draw.getrandbits(128):032x}", "type": draw.choices(TYPES, WEIGHTS)[0], "at": moment(draw, number),
             "order": 700000 + number,
             "customer": {"id": customer, "name": f"{draw.choice(FIRST)} {draw.choice(LAST)}",
                          "email": f"{draw.choice(FIRST)}.{draw.choice(LAST)}{draw.randrange(100)}@example.com".lower()},
             "address": {"street": f"{draw.choice(STREETS)} Street {draw.randint(1, 180)}",
                         "zip": f"{draw.randrange(10 ** 5):05}", "city": draw.choice(CITIES)},
             "session": f"{draw.getrandbits(64):016x}", "trace": f"{draw.getrandbits(128):032x}",
             "items": [item(draw) for _ in range(items)],
             "note": " ".join(draw.choices(WORDS, k=items))}
    event["amount"] = round(sum(one["quantity"] * one["price"] for one in event["items"]), 2)
    return json.dumps(event, separators=(",", ":"))


def short(draw, number, customer):
    return (f'{{"id":"{draw.getrandbits(64):016x}","type":"{draw.choices(TYPES, WEIGHTS)[0]}",'
            f'"at":{moment(draw, number)},"customer":{customer},"amount":{draw.randint(49, 49999) / 100}}}')


def medium(draw, number, customer):
    return (f'{short(draw, number, customer)[:-1]},"trace":"{draw.getrandbits(128):032x}",'
            f'"by":"{draw.choice(FIRST)} {draw.choice(LAST)}","city":"{draw.choice(CITIES)}",'
            f'"sku":"{draw.choice("ABCDEFGH")}{draw.randrange(10 ** 6):06}"}}')


KINDS = {
    "json100": short,
    "json200": medium,
    "json1k": lambda draw, number, customer: order(draw, number, customer, draw.randint(6, 8)),
    "json10k": lambda draw, number, customer: order(draw, number, customer, draw.randint(104, 122)),
    "bytes100": lambda draw, number, customer: draw.randbytes(100),
    "bytes1k": lambda draw, number, customer: draw.randbytes(1000),
    "bytes10k": lambda draw, number, customer: draw.randbytes(10000),
}


def events(kind, count, seed=1):
    """(key, payload): text, or bytes for the random ones."""
    draw, make = random.Random(f"{kind} {seed}"), KINDS[kind]
    for number in range(count):
        customer = 10000 + bisect.bisect(SKEW, draw.random() * SKEW[-1])
        yield f"c-{customer}", make(draw, number, customer)


def literal(payload):
    """As a parameter: random bytes in hex."""
    return payload if isinstance(payload, str) else "\\x" + payload.hex()


def write_copy(path, kind, count, seed=1):
    """A file for COPY with key and payload; nothing in the JSON needs escaping."""
    with open(path, "w", encoding="utf-8") as file:
        for key, payload in events(kind, count, seed):
            file.write(f"{key}\t{payload}\n" if isinstance(payload, str) else f"{key}\t\\\\x{payload.hex()}\n")
