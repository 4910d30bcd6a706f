import asyncio, base64, json, os, time, threading
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
A, F, D = func.AuthLevel.ANONYMOUS, func.AuthLevel.FUNCTION, func.AuthLevel.ADMIN
ALL = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def seen(req, name):
    try:
        form = {k: v for k, v in req.form.items()} if req.form is not None else None
    except Exception as e:
        form = repr(e)
    body = req.get_body()
    try:
        files = sorted((k, v.filename) for k, v in req.files.items())
    except Exception as e:
        files = repr(e)
    return {
        "function": name,
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers.items()),
        "params": dict(req.params),
        "route_params": dict(req.route_params),
        "body_len": len(body),
        "body_b64": base64.b64encode(body[:2000]).decode(),
        "body_type": type(body).__name__,
        "form": form,
        "files": files,
    }


def echo_of(req, name):
    return func.HttpResponse(json.dumps(seen(req, name)), mimetype="application/json")


@app.route("echo/{*rest}", methods=ALL)
def echo(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "echo")


@app.route("anymethod")
def anymethod(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "anymethod")


@app.function_name("DefaultRoute")
@app.route()
def some_name(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "DefaultRoute")


@app.route("lvl/anon", auth_level=A)
def lvl_anon(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "lvl_anon")


@app.route("lvl/func", auth_level=F)
def lvl_func(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "lvl_func")


@app.route("lvl/func2", auth_level=F)
def lvl_func2(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "lvl_func2")


@app.route("lvl/admin", auth_level=D)
def lvl_admin(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "lvl_admin")


@app.route("lvl/fpost", auth_level=F, methods=["POST"])
def lvl_fpost(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "lvl_fpost")


# overlapping
@app.route("items/{id}", methods=["GET"])
def items_param(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "items_param")


@app.route("items/special", methods=["GET"])
def items_special(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "items_special")


@app.route("over/{x}", methods=["GET", "POST"])
def over_param(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "over_param")


@app.route("over/lit", methods=["GET"])
def over_lit(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "over_lit")


@app.route("same", methods=["GET"])
def same_get(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "same_get")


@app.route("same", methods=["POST"])
def same_post(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "same_post")


@app.route("twin/{a}", methods=["GET"])
def twin_one(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "twin_one")


@app.route("twin/{b}", methods=["GET"])
def twin_two(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "twin_two")


@app.route("lead/{a}/x", methods=["GET"])
def lead_a(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "lead_a")


@app.route("lead/y/{b}", methods=["GET"])
def lead_b(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "lead_b")


@app.route("nums/{id:int}", methods=["GET"])
def nums(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "nums")


@app.route("alpha/{name:alpha}", methods=["GET"])
def alpha(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "alpha")


@app.route("guid/{g:guid}", methods=["GET"])
def guid(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "guid")


@app.route("len/{s:length(3)}", methods=["GET"])
def length(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "length")


@app.route("opt/{a?}", methods=["GET"])
def opt(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "opt")


@app.route("two/{a}/{b?}", methods=["GET"])
def two(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "two")


@app.route("optint/{a:int?}", methods=["GET"])
def optint(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "optint")


@app.route("def/{x=one}", methods=["GET"])
def defroute(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "defroute")


@app.route("mix/{a}-{b}", methods=["GET"])
def mix(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "mix")


@app.route("file/{name}.{ext?}", methods=["GET"])
def filename(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "filename")


@app.route("Case/{Name}", methods=["GET"])
def case_route(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "case_route")


@app.route("catch/{*rest}", methods=["GET"])
def catch(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "catch")


@app.route("onlyget", methods=["GET"])
def onlyget(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "onlyget")


@app.route("onlypost", methods=["POST"])
def onlypost(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "onlypost")


@app.route("headonly", methods=["HEAD"])
def headonly(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "headonly")


@app.route("space here/{x}", methods=["GET"])
def space_here(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "space_here")


@app.route("umlaut-ü/{x}", methods=["GET"])
def umlaut(req: func.HttpRequest) -> func.HttpResponse:
    return echo_of(req, "umlaut")


def response_for(spec):
    kw = {k: spec[k] for k in ("status_code", "headers", "mimetype", "charset") if k in spec}
    body = spec.get("body")
    if "b64" in spec:
        body = base64.b64decode(spec["b64"])
    if "size" in spec:
        body = "x" * spec["size"]
    return func.HttpResponse(body, **kw)


class Odd:
    pass


def answer(spec):
    kind = spec.get("kind")
    if kind == "str":
        return spec.get("text", "hello")
    if kind == "resp":
        return response_for(spec)
    if kind == "bytes":
        return b"\x00\xff bytes"
    if kind == "none":
        return None
    if kind == "dict":
        return {"a": 1}
    if kind == "int":
        return 5
    if kind == "list":
        return [1, 2]
    if kind == "odd":
        return Odd()
    if kind == "tuple":
        return ("x", 200)
    if kind == "bool":
        return True
    if kind == "raise":
        raise ValueError("boom-text")
    if kind == "exit":
        raise SystemExit(3)
    if kind == "baseexc":
        raise KeyboardInterrupt()
    if kind == "hdrlist":  # duplicate response headers through HttpResponseHeaders
        r = func.HttpResponse("dup")
        for k, v in spec["list"]:
            r.headers.add(k, v)
        return r
    raise RuntimeError("unknown kind")


def read_spec(req):
    raw = req.params.get("spec")
    return (
        json.loads(base64.urlsafe_b64decode(raw).decode())
        if raw
        else json.loads(req.get_body() or b"{}")
    )


@app.route("ret", methods=ALL)
def ret(req: func.HttpRequest) -> func.HttpResponse:
    return answer(read_spec(req))


@app.route("aret", methods=ALL)
async def aret(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(0)
    return answer(read_spec(req))


@app.route("rets", methods=ALL)
def rets(req: func.HttpRequest) -> str:
    return answer(read_spec(req))


@app.route("retu", methods=ALL)
def retu(req: func.HttpRequest):
    return answer(read_spec(req))


@app.route("slow", methods=["GET"])
def slow(req: func.HttpRequest) -> func.HttpResponse:
    time.sleep(float(req.params.get("s", "1")))
    return func.HttpResponse("slow done")


@app.route("getjson", methods=["POST"])
def getjson(req: func.HttpRequest) -> func.HttpResponse:
    try:
        return func.HttpResponse(json.dumps({"json": req.get_json()}), mimetype="application/json")
    except Exception as e:
        return func.HttpResponse(json.dumps({"error": repr(e)}), mimetype="application/json")


@app.route("ctx", methods=["GET"])
def ctx(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    t = context.trace_context
    return func.HttpResponse(
        json.dumps(
            {
                "name": context.function_name,
                "dir": context.function_directory,
                "inv": bool(context.invocation_id),
                "traceparent": t.Traceparent,
                "tracestate": t.Tracestate,
                "attrs": dict(t.attributes),
            }
        ),
        mimetype="application/json",
    )


@app.route("nobinding", methods=["GET"])
@app.function_name("Nobinding")
def nobinding(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=204)
