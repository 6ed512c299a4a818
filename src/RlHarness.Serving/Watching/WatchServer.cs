using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Reporting;
using RlHarness.Serving.Http;
using RlHarness.Tracking.Report;
using RlHarness.Tracking.Store;

namespace RlHarness.Serving.Watching;

/// <summary>
/// A page of a run, or of a folder of runs, that grows as steps land (server-sent events), and <c>/metrics</c> for Prometheus. Reads stores and never writes; a
/// run may be another machine's. Whoever has the token sees it: as <c>?token=…</c>, which a browser is given as a cookie, or as a bearer.
/// </summary>
public sealed class WatchServer : IAsyncDisposable
{
    /// <summary>How often a store is asked whether there is something new.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        + "frame-ancestors 'none'";

    private readonly string _folder;
    private readonly bool _isRun;
    private readonly ServerOptions _options;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, WatchedRun> _runs = new(StringComparer.Ordinal);
    private LocalServer _http = null!;
    private (string Runs, IReadOnlyList<GroupedRun> Of) _grouped = ("", []);

    private WatchServer(string folder, ServerOptions options, TimeProvider time) =>
        (_folder, _isRun, _options, _time) = (folder, WatchedRun.IsRun(folder), options, time);

    /// <summary>The address of the page, token included.</summary>
    public Uri Address => new(_http.Address, $"/?token={Uri.EscapeDataString(_options.Token)}");

    /// <param name="folder">A run's folder, or one that holds runs, also such as are yet to begin.</param>
    /// <exception cref="HarnessException">There is no such folder, it is another thing, or the port is taken.</exception>
    public static async Task<WatchServer> StartAsync(string folder, ServerOptions options, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!Directory.Exists(folder))
            throw HarnessException.BadFile(folder, "no such folder", remedy: "give the folder of a run, or one that holds runs");
        var self = new WatchServer(folder, options, time ?? TimeProvider.System);
        if (self._isRun)
            _ = self.Run("").Store;
        else if (!self.Runs().Any())
            throw new HarnessException(
                ErrorKind.RunFolder,
                $"{folder}: neither a run nor a folder of runs",
                "no run.db here or one folder below",
                "a folder that `train` made, or the one above it, such as checkpoints",
                "start a run first; its folder is there within seconds"
            );
        self._http = await LocalServer.StartAsync(options, self.HandleAsync, FailAsync).ConfigureAwait(false);
        return self;
    }

    public async ValueTask DisposeAsync()
    {
        await _http.DisposeAsync().ConfigureAwait(false);
        foreach (var run in _runs.Values)
            run.Dispose();
    }

    private IEnumerable<string> Runs() =>
        _isRun ? [""] : Directory.GetDirectories(_folder).Where(WatchedRun.IsRun).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal);

    /// <summary>The runs of the folder by what they differ in; settings of a run that began stay as they are, so they are read once.</summary>
    private IReadOnlyList<GroupedRun> Grouped()
    {
        string[] runs = [.. Runs()];
        var key = string.Join('/', runs);
        if (_grouped.Runs != key)
            _grouped = (key, RunGroups.Of([.. runs.Select(r => Path.Combine(_folder, r))]));
        return _grouped.Of;
    }

    /// <param name="name">Of the folder below the one that is watched; empty for that one itself.</param>
    private WatchedRun Run(string name) => _runs.GetOrAdd(name, n => new WatchedRun(n.Length == 0 ? _folder : Path.Combine(_folder, n), _time));

    private string Cookie => $"rlharness-{_http.Address.Port}";

    private async Task HandleAsync(HttpContext context, CancellationToken cancellation)
    {
        var (request, response) = (context.Request, context.Response);
        response.Headers["Content-Security-Policy"] = Policy;
        response.Headers["X-Content-Type-Options"] = "nosniff";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers.CacheControl = "no-store";
        var inAddress = request.Query["token"].ToString();
        var shown = LocalServer.Bearer(context) ?? (inAddress.Length > 0 ? inAddress : request.Cookies[Cookie]);
        if (!LocalServer.IsAllowed(shown, _options.Token))
        {
            await FailAsync(context, 401, "a wrong token, or none: open the address that `watch` printed").ConfigureAwait(false);
            return;
        }

        if (request.Method != "GET")
        {
            await FailAsync(context, 405, "this server only shows: GET").ConfigureAwait(false);
            return;
        }

        var path = request.Path.Value ?? "/";
        if (inAddress.Length > 0 && path != "/metrics")
        {
            // Out of the address, so that it stays out of histories and screenshots.
            response.Cookies.Append(
                Cookie,
                inAddress,
                new CookieOptions
                {
                    HttpOnly = true,
                    SameSite = SameSiteMode.Strict,
                    Path = "/",
                }
            );
            response.Redirect(path);
            return;
        }

        await RouteAsync(context, path, cancellation).ConfigureAwait(false);
    }

    private Task RouteAsync(HttpContext context, string path, CancellationToken cancellation)
    {
        switch (path)
        {
            case "/":
                return TextAsync(context, "text/html", _isRun ? WatchPage.Run(Run("").Name, "") : WatchPage.Folder(RunFolder.NameOf(_folder)));
            case "/watch.js":
                return TextAsync(context, "text/javascript", WatchPage.Script);
            case "/watch.css":
                return TextAsync(context, "text/css", ReportBuilder.StyleSheet + "\n" + WatchPage.Style);
            case "/favicon.ico":
                context.Response.StatusCode = 204;
                return Task.CompletedTask;
            case "/metrics":
                return MetricsAsync(context);
            case "/events":
                return EventsAsync(context, cancellation);
            case "/transcripts":
                return Named(context) is { } of ? TranscriptsAsync(context, of) : Unknown(context);
            default:
                return path.StartsWith("/run/", StringComparison.Ordinal) && Uri.UnescapeDataString(path["/run/".Length..]) is var name && Runs().Contains(name)
                    ? TextAsync(context, "text/html", WatchPage.Run(name, name))
                    : Unknown(context);
        }
    }

    private static Task Unknown(HttpContext context) => FailAsync(context, 404, "nothing is here");

    /// <summary>The run that a request names; null for one that is not there.</summary>
    private WatchedRun? Named(HttpContext context) => context.Request.Query["run"].ToString() is var name && Runs().Contains(name) ? Run(name) : null;

    private async Task EventsAsync(HttpContext context, CancellationToken cancellation)
    {
        var all = !_isRun && !context.Request.Query.ContainsKey("run");
        var run = all ? null : Named(context);
        if (!all && run is null)
        {
            await Unknown(context).ConfigureAwait(false);
            return;
        }

        var response = context.Response;
        response.ContentType = "text/event-stream; charset=utf-8";
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        // The stream ends at once when the server stops; the browser asks again by itself.
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _http.Stopping);
        try
        {
            var (seen, quiet) = ("", 0);
            while (true)
            {
                var (mark, events) = run is null ? All(seen) : One(run, seen);
                if (events.Count > 0)
                {
                    foreach (var (kind, data) in events)
                        await response.WriteAsync($"event: {kind}\ndata: {data.ToJsonString()}\n\n", ends.Token).ConfigureAwait(false);
                    await response.Body.FlushAsync(ends.Token).ConfigureAwait(false);
                    (seen, quiet) = (mark, 0);
                }
                else if (++quiet >= 15)
                {
                    await response.WriteAsync(": still here\n\n", ends.Token).ConfigureAwait(false);
                    await response.Body.FlushAsync(ends.Token).ConfigureAwait(false);
                    quiet = 0;
                }

                await Task.Delay(Pause, _time, ends.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_http.Stopping.IsCancellationRequested)
        {
            // A whole end of the response.
        }
    }

    private static (string Mark, List<(string, JsonNode)> Events) One(WatchedRun run, string seen)
    {
        try
        {
            var mark = run.Version.ToString(CultureInfo.InvariantCulture);
            if (mark == seen)
                return (mark, []);
            var (version, state, pictures) = run.Show();
            return (version.ToString(CultureInfo.InvariantCulture), [("state", state), ("pictures", JsonValue.Create(pictures))]);
        }
        catch (HarnessException e)
        {
            return (e.Message, e.Message == seen ? [] : [("trouble", JsonValue.Create(e.Message))]);
        }
    }

    private (string Mark, List<(string, JsonNode)> Events) All(string seen)
    {
        var rows = new JsonArray();
        var mark = new StringBuilder();
        foreach (var of in Grouped())
        {
            var name = Path.GetFileName(of.Folder);
            JsonObject row;
            try
            {
                var run = Run(name);
                mark.Append(CultureInfo.InvariantCulture, $"{name}:{run.Version};");
                row = (JsonObject)run.Show().State.DeepClone();
            }
            catch (HarnessException e)
            {
                mark.Append(CultureInfo.InvariantCulture, $"{name}!");
                row = new JsonObject { ["name"] = name, ["trouble"] = e.Message.Split('\n')[0] };
            }

            (row["group"], row["seed"]) = (of.Group, of.Seed);
            rows.Add((JsonNode)row);
        }

        return mark.ToString() == seen ? (seen, []) : (mark.ToString(), [("runs", rows)]);
    }

    private static Task TranscriptsAsync(HttpContext context, WatchedRun run)
    {
        var query = context.Request.Query;
        string? Text(string name) => query[name].ToString() is { Length: > 0 } value ? value : null;
        T? Named<T>(string name)
            where T : struct, Enum =>
            Text(name)?.Replace("_", "", StringComparison.Ordinal) is { } text && Enum.TryParse<T>(text, ignoreCase: true, out var value) ? value : null;

        var page = run.Store.Newest(
            new LiveFilter(
                Text("stage"),
                Named<Split>("split"),
                Named<Tier>("tier"),
                Text("detector"),
                Named<Outcome>("outcome"),
                Text("af") is { } af ? af == "1" : null,
                Text("text"),
                long.TryParse(Text("before"), NumberStyles.None, CultureInfo.InvariantCulture, out var before) ? before : null
            )
        );
        var found = new JsonArray([
            .. page.Found.Select(f => new JsonObject
            {
                ["id"] = f.Row.Id,
                ["stage"] = f.Row.Stage,
                ["step"] = f.Row.Step,
                ["split"] = SettingNames.Snake(f.Row.Split),
                ["tier"] = SettingNames.Snake(f.Row.Tier),
                ["query"] = f.Row.QueryId,
                ["user"] = f.Row.User,
                ["answer"] = f.Row.AssistantText,
                ["reasoning"] = f.Row.Reasoning,
                ["output"] = f.Row.Output,
                ["problem"] = f.Row.FormatProblem,
                ["reward"] = f.Row.Rewards.TryGetValue("total", out var total) && double.IsFinite(total) ? (JsonNode)total : null,
                ["labels"] = new JsonArray([
                    .. f.Labels.Select(l => new JsonObject
                    {
                        ["detector"] = l.Detector,
                        ["outcome"] = SettingNames.Snake(l.Outcome),
                        ["reasoning"] = SettingNames.Snake(l.Reasoning),
                        ["af"] = l.AlignmentFaking,
                    }),
                ]),
            }),
        ]);
        return TextAsync(
            context,
            "application/json",
            new JsonObject
            {
                ["found"] = found,
                ["next"] = page.Next,
                ["looked_at"] = page.LookedAt,
            }.ToJsonString()
        );
    }

    private Task MetricsAsync(HttpContext context)
    {
        var text = new StringBuilder();
        foreach (
            var (name, help) in new[]
            {
                ("stage_running", "1 while the stage runs."),
                ("step", "Last step that the stage has written."),
                ("metric", "The stage's figures at its last step, by the names of metrics.jsonl."),
                ("warnings", "Warnings of the run, alarms among them."),
            }
        )
            text.Append(CultureInfo.InvariantCulture, $"# HELP rlharness_{name} {help}\n# TYPE rlharness_{name} gauge\n");
        var lines = new StringBuilder();
        foreach (var run in Runs().Select(Run))
            try
            {
                run.Prometheus(lines);
            }
            catch (HarnessException)
            {
                // A run that can't be read has no figures; the others have.
            }

        // All lines of one name stand together, which the format asks for.
        foreach (var group in lines.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).GroupBy(l => l[..l.IndexOf('{', StringComparison.Ordinal)]))
            foreach (var line in group)
                text.Append(line).Append('\n');
        return TextAsync(context, "text/plain; version=0.0.4", text.ToString());
    }

    private static Task TextAsync(HttpContext context, string type, string text)
    {
        context.Response.ContentType = type + "; charset=utf-8";
        return context.Response.WriteAsync(text);
    }

    private static Task FailAsync(HttpContext context, int status, string what)
    {
        context.Response.StatusCode = status;
        return TextAsync(context, "text/plain", what + "\n");
    }
}
