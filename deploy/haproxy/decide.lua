-- `http-request lua.decide` asks the gateway about the request. A yes sets `txn.decided` and the identity;
-- anything else is the client's answer. `http-response lua.cookies` hands the cookies of a yes on.

local gateway = "http://127.0.0.1:8080/_decide"
-- Milliseconds; HAProxy asks four times before it gives up.
local patience = 2500

-- What only the gateway may say. Headers of your own under `identity` of gateway.yaml belong here.
local identity = { "remote-user", "remote-email", "remote-name", "remote-groups" }

-- Of this connection, or of the body, which stays here.
local kept = {}
for _, name in ipairs({ "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade" }) do
    kept[name] = true
end

-- HAProxy counts values from 0.
local function each(values)
    local list = {}
    for index = 0, #values do
        list[index + 1] = values[index]
    end
    return list
end

core.register_action("decide", { "http-req" }, function(txn)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not kept[name] then
            headers[name] = each(values)
        end
    end
    headers["x-forwarded-method"] = { txn.f:method() }
    headers["x-forwarded-uri"] = { txn.f:pathq() }

    local answer = core.httpclient():get({ url = gateway, headers = headers, timeout = patience })
    local said = answer and answer.headers or {}

    if answer and answer.status == 200 then
        for _, name in ipairs(identity) do
            txn.http:req_del_header(name)
            if said[name] and said[name][0] ~= "" then
                txn.http:req_set_header(name, said[name][0])
            end
        end
        txn:set_priv(said["set-cookie"])
        txn:set_var("txn.decided", true)
        return
    end

    local status = answer and answer.status or 0
    local reply = txn:reply({ status = status >= 300 and status < 600 and status or 503 })
    for name, values in pairs(said) do
        if not kept[name] then
            for _, value in ipairs(each(values)) do
                reply:add_header(name, value)
            end
        end
    end
    reply:set_body(answer and answer.body or "")
    txn:done(reply)
end)

core.register_action("cookies", { "http-res" }, function(txn)
    for _, value in ipairs(each(txn:get_priv() or {})) do
        txn.http:res_add_header("set-cookie", value)
    end
end)
