"""Serves one outside system for the scenarios in tests/scenarios/real_world, on a free loopback port.

    serve.py httpbin    the HTTP test service of that name
    serve.py aws        takes requests that botocore would have signed in the same way, and no others

Prints its URL.
"""

import hashlib
import json
import re
import sys
from datetime import datetime, timedelta, timezone

from werkzeug.serving import WSGIRequestHandler, make_server

ACCESS_KEY_ID = "AKIDEXAMPLE"
# The example key of the published AWS Signature Version 4 test suite.
SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION_TOKEN = "a-session-token/with+characters=="

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


class Refused(Exception):
    """Why a signature does not hold."""


def check(environ, body):
    """The region, service and headers that were signed; refuses what botocore would have signed otherwise."""
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    given = AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
    if not given:
        raise Refused("there is no signature")
    if given["key"] != ACCESS_KEY_ID:
        raise Refused("the key is not known")
    sent = {name: header(environ, name) for name in given["headers"].split(";")}
    if missing := {"host", "x-amz-date"} - sent.keys():
        raise Refused(f"not signed: {missing}")
    token = header(environ, "x-amz-security-token")
    if token is not None and (token != SESSION_TOKEN or "x-amz-security-token" not in sent):
        raise Refused("the session token is another one, or not signed")
    stamp = sent["x-amz-date"]
    at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    if abs(datetime.now(timezone.utc) - at) > timedelta(minutes=5) or not stamp.startswith(given["date"]):
        raise Refused("signed at another time")
    digest = header(environ, "x-amz-content-sha256")
    if digest not in (None, hashlib.sha256(body).hexdigest()):
        raise Refused("the body is not the one that was signed")

    url = f"http://{sent['host']}{environ['RAW_URI']}"
    request = AWSRequest(method=environ["REQUEST_METHOD"], url=url, data=body, headers=sent)
    request.context["timestamp"] = stamp
    kind = S3SigV4Auth if given["service"] == "s3" else SigV4Auth
    signer = kind(Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY, token), given["service"], given["region"])
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    if signature != given["signature"]:
        raise Refused(f"the signature does not match this canonical request: {canonical}")
    return {"region": given["region"], "service": given["service"], "signed_headers": sorted(sent), "temporary": token is not None}


def header(environ, name):
    """A header of the request, or nothing."""
    name = name.upper().replace("-", "_")
    return environ.get(name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}")


def aws(environ, start_response):
    """Says what was signed, or refuses."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    try:
        status, answer = "200 OK", check(environ, body)
    except Refused as refused:
        status, answer = "403 Forbidden", {"message": str(refused)}
    text = json.dumps(answer).encode()
    start_response(status, [("content-type", "application/json"), ("content-length", str(len(text)))])
    return [text]


def application(name):
    """The application of that name."""
    if name == "aws":
        return aws
    from httpbin import app

    return app


class Handler(WSGIRequestHandler):
    """Keeps connections, as real services do, and says nothing about requests."""

    protocol_version = "HTTP/1.1"

    def log(self, *_):
        """Nothing."""


def main():
    """Serves until it is killed."""
    server = make_server("127.0.0.1", 0, application(sys.argv[1]), threaded=True, request_handler=Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


main()
