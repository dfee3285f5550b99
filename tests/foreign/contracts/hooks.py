"""What is judged of an answer beyond its form: that it tells of no defect, and that its code is one of those that the operation has."""

import os

import schemathesis

INTERNAL = {"50252", "100001"}


@schemathesis.check
def no_defect(ctx, response, case):
    """Some refusals of OceanConnect are 500 by contract; its own internal errors are none of them."""
    if response.status_code >= 500:
        code = error_code(response)
        assert code is not None or response.status_code != 500, f"a defect: {response.status_code} {response.text}"
        assert code not in INTERNAL, f"a defect: {response.status_code} {response.text}"


@schemathesis.check
def code_of_the_operation(ctx, response, case):
    """OceanConnect lists status and code of each refusal with its operation."""
    rows = case.operation.definition.raw.get("x-error-codes")
    code = error_code(response)
    # Another method may be another operation's on a path of its own.
    if rows is None or code is None or response.status_code == 405 or response.request.method.lower() != case.operation.method.lower():
        return
    known = {(int(row["http"]), row["code"]) for row in rows}
    assert (response.status_code, code) in known, f"{response.status_code}/{code} is none of this operation's"


def error_code(response):
    try:
        body = response.json()
    except ValueError:
        return None
    return body.get("error_code") if isinstance(body, dict) else None


def absent():
    """Operations that spec/index.tsv says are not there."""
    with open(os.environ["LANDFALL_INDEX"]) as rows:
        for row in rows:
            id, status, *_ = row.rstrip("\n").split("\t") + ["", ""]
            if id.startswith("oceanconnect/1.") and status not in ("yes", "partly") and "`" in row:
                yield row.split("`")[1]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    gone = set(absent())
    for path in raw_schema["paths"].values():
        for method in [method for method, operation in path.items() if isinstance(operation, dict) and operation.get("operationId") in gone]:
            del path[method]
