"""Pays a number of times over one connection: keep_alive.py PORT PATH COUNT. Prints status, Retry-After and seconds."""
import http.client
import json
import sys
import time

port, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
payment = json.dumps({"orderId": "000042", "cardType": "SAMSUNG", "cardNo": "1234-5678-9814-1451", "amount": 5000,
                      "callbackUrl": "http://localhost:8080/api/v1/payments/callback"})
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
for _ in range(count):
    began = time.monotonic()
    connection.request("POST", path, payment, {"content-type": "application/json", "x-user-id": "shop"})
    answer = connection.getresponse()
    answer.read()
    print(answer.status, answer.getheader("retry-after", "-"), time.monotonic() - began, flush=True)
