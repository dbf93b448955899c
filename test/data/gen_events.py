#!/usr/bin/env python3
"""Write NDJSON that looks like a shop's events.

usage: gen_events.py [--lines N] [--seed S] [FILE]

One object a line, "id" always first and counting from 1, "key" always second. Nested objects and lists, keys
skewed as customers are (few make most events), lengths from some 70 bytes to some 60 kB, text in many scripts.
The same seed gives the same bytes: only random() is used, whose sequence Python guarantees.
"""
import argparse
import json
import random
import sys

FIRST = ["Anna", "Ben", "Chloé", "Dörte", "Émile", "Fatma", "Gülşen", "Håkon", "Ivana", "José", "Kálmán", "Łukasz",
         "María", "Niamh", "Ólafur", "Pham Thị", "Quỳnh", "Renée", "Søren", "Þóra", "Uğur", "Živa", "Αλέξης",
         "Дмитрий", "Оксана", "שרה", "فاطمة", "अनिता", "สมชาย", "王芳", "佐藤健", "김민준"]
LAST = ["Smith", "Müller", "García", "Nguyễn", "Kowalski", "Øverland", "O'Brien", "d'Angelo", "Papadopoulos",
        "Иванов", "Шевченко", "כהן", "الأحمد", "शर्मा", "李", "山田", "박", "van der Berg"]
CITIES = [("Berlin", "DE", 52.52, 13.405), ("Kraków", "PL", 50.0647, 19.945), ("São Paulo", "BR", -23.5505, -46.6333),
          ("東京", "JP", 35.6762, 139.6503), ("Αθήνα", "GR", 37.9838, 23.7275), ("القاهرة", "EG", 30.0444, 31.2357),
          ("München", "DE", 48.1351, 11.582), ("Reykjavík", "IS", 64.1466, -21.9426), ("Montréal", "CA", 45.5019, -73.5674)]
PRODUCTS = ["espresso beans 1 kg", "tea \"Earl Grey\"", "mug, blue", "French press", "café au lait bowl", "kettle 1.7 l",
            "抹茶 matcha 30 g", "filter no. 4 (100×)", "grinder", "cup & saucer", "sugar / brown", "gift card €25"]
WORDS = ("the order arrived yesterday but one cup was broken please send another thank you very much hello again "
         "where is my parcel it should have been here on Monday wrong colour refund kettle does not switch off "
         "schön danke größe très bien déjà merci gracias mañana спасибо быстро δοκιμή 很好 谢谢 ありがとう 감사합니다 "
         "مرحبا שלום नमस्ते สวัสดี 👍 😀 🚚💨 👩‍👩‍👧 🇩🇪 ½ ™ \\o/ <b>bold</b> a\tb \"quoted\" C:\\temp\\x 100% 𝒳 e\u0301").split(" ")
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
          "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
          "shop-android/4.12.0 (Pixel 8; Android 15)"]
CUSTOMERS = 20000


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed).random
        self.time = 1_700_000_000_000

    def below(self, n):
        return int(self.random() * n)

    def pick(self, items):
        return items[self.below(len(items))]

    def skewed(self, n):
        """0 .. n - 1, rank r about as often as 1 / (r + 1)."""
        return int((n + 1) ** self.random()) - 1

    def hex(self, digits):
        return "".join("%04x" % self.below(65536) for _ in range((digits + 3) // 4))[:digits]

    def amount(self):
        return round(0.5 + self.random() ** 4 * 400, 2)

    def words(self, n):
        return " ".join(self.pick(WORDS) for _ in range(n))

    def key(self, customer):
        # what a customer is called never changes, so this must not draw
        if customer % 17 == 5:
            return "%s.%s@example.org" % (FIRST[customer % len(FIRST)], customer)
        if customer % 101 == 7:
            return "клиент-%d/顧客" % customer
        return "c-%05d" % customer

    def address(self):
        city, country, lat, lon = self.pick(CITIES)
        return {"city": city, "country": country,
                "geo": {"lat": round(lat + self.random() - 0.5, 5), "lon": round(lon + self.random() - 0.5, 5)}}

    def order(self):
        items = [{"sku": "SKU-" + self.hex(6), "name": self.pick(PRODUCTS), "qty": 1 + self.skewed(9),
                  "price": {"amount": self.amount(), "currency": "EUR"}} for _ in range(1 + self.skewed(12))]
        return "order.created", {
            "order": self.hex(12), "customer": {"name": self.pick(FIRST) + " " + self.pick(LAST), "address": self.address()},
            "items": items, "total": round(sum(i["qty"] * i["price"]["amount"] for i in items), 2),
            "coupon": None if self.random() < 0.8 else "C" + self.hex(5).upper(), "gift": self.random() < 0.05}

    def payment(self):
        return "order.paid", {"order": self.hex(12), "paid": {"amount": self.amount(), "by": self.pick(["card", "iban", "invoice"])}}

    def view(self):
        return "page.viewed", {"session": self.hex(16), "path": "/p/%d?ref=%s" % (self.skewed(5000), self.hex(4)),
                               "ms": self.skewed(30000), "agent": self.pick(AGENTS)}

    def cart(self):
        return "cart", {"n": self.below(10)}

    def moved(self):
        return "parcel.moved", {"parcel": "%012d" % self.below(10 ** 12), "to": self.address(),
                                "scan": {"depot": self.below(400), "ok": True}}

    def message(self):
        return "support.message", {"thread": self.hex(8), "text": self.words(3 + self.skewed(400)),
                                   "tags": [self.pick(["refund", "late", "praise", "größe"]) for _ in range(self.below(4))]}

    def reading(self):
        return "meter.reading", {"device": self.hex(8), "unit": "°C", "values": [round(self.random() * 100 - 20, 3)
                                                                                 for _ in range(self.skewed(60))]}

    def export(self):
        """The rare long one."""
        return "order.history", {"orders": [self.order()[1] for _ in range(1 + self.skewed(120))]}

    KINDS = [(0.30, view), (0.50, cart), (0.68, order), (0.80, payment), (0.90, moved), (0.95, reading),
             (0.999, message), (1.0, export)]

    def event(self, number):
        self.time += self.skewed(20000)
        draw = self.random()
        make = next(make for limit, make in self.KINDS if draw < limit)
        kind, data = make(self)
        return {"id": number, "key": self.key(self.skewed(CUSTOMERS)), "type": kind, "time": self.time, "data": data}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("file", nargs="?")
    args = parser.parse_args()

    generator = Generator(args.seed)
    dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    with open(args.file, "wb") if args.file else sys.stdout.buffer as out:
        for number in range(1, args.lines + 1):
            out.write((dump(generator.event(number)) + "\n").encode())


if __name__ == "__main__":
    main()
