-- `decide` asks the gateway about a request. A yes sets the identity, and Apache goes on; any other answer is the
-- client's. Each call has a Lua state of its own (`LuaScope once`, the default).

local socket = require "socket"

local gateway = "127.0.0.1:8080"
-- Seconds, for each step.
local patience = 10

-- Pages of the gateway's own, where decide.conf passes the request on to it. Only characters that Apache does not
-- decode, merge or resolve: `/accounts/../staff/` begins like this as well, and Apache makes `/staff/` of it.
local own = "^/accounts/[%w/_-]*$"

-- What only the gateway may say. Headers of your own under `identity` of gateway.yaml belong here.
local identity = { "Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups" }

-- Neither told to the gateway nor passed on from its answer: what is of one connection, or of the body.
local kept = {}
for _, name in ipairs({ "connection", "content-length", "date", "expect", "keep-alive", "proxy-connection", "server",
    "te", "trailer", "transfer-encoding", "upgrade" }) do
    kept[name] = true
end

local function is_forged(name)
    -- `Remote_User` and `Remote.User`, which many servers read as `Remote-User`.
    if name:find("[^%w-]") or name == "forwarded" or name:find("^x%-forwarded%-") then
        return true
    end
    for _, ours in ipairs(identity) do
        if name == ours:lower() then
            return true
        end
    end
    return false
end

-- mod_proxy removes what `Connection` names, but only after this script: that may be what the script has written,
-- or what the gateway has judged. It goes here, and what ends or upgrades the connection stays.
local function take_connection(headers)
    local stays = {}
    for token in (headers["Connection"] or ""):lower():gmatch("[^%s,]+") do
        if token == "close" or token == "keep-alive" or token == "upgrade" then
            table.insert(stays, token)
        elseif token ~= "host" and not kept[token] then
            headers[token] = nil
        end
    end
    headers["Connection"] = stays[1] and table.concat(stays, ", ")
    -- Not h2c: more requests would follow on the connection, and no decisions.
    if (headers["Upgrade"] or ""):lower() ~= "websocket" then
        headers["Upgrade"] = nil
    end
end

local function describe(r)
    local headers = r.headers_in
    take_connection(headers)
    for name in pairs(r:headers_in_table()) do
        if is_forged(name:lower()) then
            headers[name] = nil
        end
    end
    headers["X-Forwarded-For"] = r.useragent_ip
    headers["X-Forwarded-Host"] = headers["Host"]
    headers["X-Forwarded-Proto"] = r.is_https and "https" or "http"
end

local function receive_answer(connection)
    local status = tonumber(assert(connection:receive()):match("^HTTP/1%.1 (%d%d%d) "))
    local answer, length = { status = status, headers = {} }, 0
    local line = assert(connection:receive())
    while line ~= "" do
        local name, value = line:match("^([^:]+):%s*(.-)%s*$")
        name = name:lower()
        if name == "content-length" then
            length = assert(tonumber(value))
        end
        table.insert(answer.headers, { name, value })
        line = assert(connection:receive())
    end
    answer.body = length > 0 and assert(connection:receive(length)) or ""
    return answer
end

local function ask(r, target)
    local host, port = gateway:match("^(.*):(%d+)$")
    local lines = { "GET /_decide HTTP/1.1", "Connection: close", "X-Forwarded-Method: " .. r.method,
        "X-Forwarded-Uri: " .. target }
    for name, value in pairs(r:headers_in_table()) do
        if not kept[name:lower()] then
            table.insert(lines, name .. ": " .. value)
        end
    end
    local connection = assert(socket.tcp())
    connection:settimeout(patience)
    assert(connection:connect(host, port))
    assert(connection:send(table.concat(lines, "\r\n") .. "\r\n\r\n"))
    local answer = receive_answer(connection)
    connection:close()
    return answer
end

-- Of each name a table of Apache's takes one value from Lua, and cookies cannot be joined; the answer has both
-- tables. The gateway sends two at most, of the session and of CSRF.
local function set_cookies(r, answer)
    local tables = { r.err_headers_out, r.headers_out }
    for _, header in ipairs(answer.headers) do
        if header[1] == "set-cookie" then
            assert(table.remove(tables, 1), "a third cookie")["Set-Cookie"] = header[2]
        end
    end
end

local function accept(r, answer)
    for _, header in ipairs(answer.headers) do
        for _, name in ipairs(identity) do
            if header[1] == name:lower() and header[2] ~= "" then
                r.headers_in[name] = header[2]
            end
        end
    end
    set_cookies(r, answer)
end

local function refuse(r, answer)
    r.status = answer.status
    for _, header in ipairs(answer.headers) do
        local name, value = header[1], header[2]
        if name == "content-type" then
            r.content_type = value
        elseif name ~= "set-cookie" and not kept[name] then
            local before = r.headers_out[name]
            r.headers_out[name] = before and before .. ", " .. value or value
        end
    end
    set_cookies(r, answer)
    r:write(answer.body)
end

-- What Apache is to do: go on, show what `refuse` has written, or answer with a status.
local function judge(r, is_inside)
    local target = r.unparsed_uri
    -- mod_proxy would forward another target: it merges the slashes of `//`, and decodes after `http://host`.
    -- Line ends, which a RewriteRule decodes, would be headers of what the gateway is asked.
    if not target:find("^/") or target:find("^//") or target:find("[%c ]") then
        return 400
    end
    describe(r)
    if target:match("^[^?]*"):find(own) then
        return apache2.DECLINED
    end
    local answer = ask(r, target)
    if answer.status == 200 then
        accept(r, answer)
        return apache2.DECLINED
    end
    assert(answer.status >= 300, "neither yes nor no")
    if is_inside then
        return answer.status
    end
    refuse(r, answer)
    return apache2.OK
end

local function judge_once(r, is_inside)
    -- Apache calls both functions for most requests.
    if r.notes["decided"] then
        return apache2.DECLINED
    end
    -- By itself mod_lua shows an error to the client.
    local done, result = pcall(judge, r, is_inside)
    if not done then
        r:err("no decision: " .. tostring(result))
        return 503
    end
    r.notes["decided"] = "yes"
    return result
end

-- For LuaQuickHandler: what clients send, and internal redirects.
function decide(r)
    return judge_once(r, false)
end

-- For LuaHookTranslateName: subrequests, such as those of mod_include. They have no page of their own.
function decide_inside(r)
    return judge_once(r, true)
end
