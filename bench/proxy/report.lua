-- What wrk prints for us: one line of JSON at the end.
done = function(summary)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"durationUs":%d,"errors":%d}\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout
  ))
end
