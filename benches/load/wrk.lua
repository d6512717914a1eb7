-- `wrk … URL -- BYTES` puts so many bytes; without, or with 0, it gets. The last line is for generators.py.

function init(arguments)
    local bytes = tonumber(arguments[1] or 0)
    if bytes > 0 then
        wrk.method, wrk.body = "PUT", string.rep("x", bytes)
    end
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format("%d %d %d %d %d %d %d %d", summary.requests, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout, summary.bytes, summary.duration,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
