using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Serving.Http;
using RlHarness.Serving.Watching;
using RlHarness.Tracking.Store;

namespace RlHarness.Serving.Tests;

[Trait("kind", "contract")]
public sealed class WatchServerTests : IDisposable
{
    private readonly WatchedFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static Task<WatchServer> Start(string folder, int port = 0) => WatchServer.StartAsync(folder, new ServerOptions { Token = "t", Port = port });

    private static HttpClient Client(WatchServer server, string? token = "t")
    {
        var client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri(server.Address, "/") };
        if (token is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    private static async Task<JsonNode> Json(HttpClient client, string path) => JsonNode.Parse(await client.GetStringAsync(path))!;

    private static async Task<(string Kind, JsonNode Data)> Event(StreamReader reader)
    {
        var kind = "";
        while (true)
        {
            var line = await reader.ReadLineAsync() ?? throw new InvalidOperationException("the stream ended");
            if (line.StartsWith("event: ", StringComparison.Ordinal))
                kind = line["event: ".Length..];
            if (line.StartsWith("data: ", StringComparison.Ordinal))
                return (kind, JsonNode.Parse(line["data: ".Length..])!);
        }
    }

    [Fact]
    public async Task Only_who_shows_the_token_sees_the_page_and_nothing_in_it_is_fetched_from_elsewhere()
    {
        using (_folder.Begin()) { }

        await using var server = await Start(_folder.Run());
        using var nobody = Client(server, token: null);
        foreach (var path in new[] { "/", "/events?run=", "/transcripts?run=", "/metrics", "/watch.js", "/?token=wrong" })
            Assert.Equal(HttpStatusCode.Unauthorized, (await nobody.GetAsync(path)).StatusCode);

        // The address that was printed gives a cookie, and the token goes from the address.
        using var entered = await nobody.GetAsync(server.Address.PathAndQuery);
        Assert.Equal(HttpStatusCode.Redirect, entered.StatusCode);
        Assert.Equal("/", entered.Headers.Location!.ToString());
        var cookie = entered.Headers.GetValues("Set-Cookie").Single();
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);

        using var client = Client(server);
        using var page = await client.GetAsync("/");
        var policy = page.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';", policy, StringComparison.Ordinal);
        var html = await page.Content.ReadAsStringAsync();
        Assert.DoesNotContain("http://", html, StringComparison.Ordinal);
        Assert.DoesNotContain("https://", html, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await client.PostAsync("/", null)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("/../run.db")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("/transcripts?run=../run")).StatusCode);
    }

    [Fact]
    public async Task A_stream_tells_each_step_while_the_run_goes_on_and_ends_with_the_server()
    {
        using var store = _folder.Begin();
        store.Commit(WatchedFolder.Step(0));
        var server = await Start(_folder.Run());
        using var client = Client(server);
        using var reader = new StreamReader(await client.GetStreamAsync("/events?run="));
        var (kind, state) = await Event(reader);
        Assert.Equal("state", kind);
        Assert.Equal(("rl", "running", 0, 20), ((string)state["stage"]!, (string)state["status"]!, (int)state["step"]!, (int)state["steps"]!));
        Assert.Null(state["figures"]!["objective/kl"]); // NaN
        Assert.Equal(0.5, (double)state["rates"]![0]!["value"]!);
        (kind, var before) = await Event(reader);
        Assert.Equal("pictures", kind);

        // A writer is not held up by who looks on, and each commit is told.
        for (var step = 2; step <= 4; step += 2)
        {
            store.Commit(WatchedFolder.Step(step));
            (_, state) = await Event(reader);
            Assert.Equal(step, (int)state["step"]!);
            (_, var after) = await Event(reader);
            Assert.NotEqual((string)before!, (string)after!);
            before = after;
        }

        Assert.NotNull(state["seconds_left"]);
        store.AddEvent("rl", 4, "warning", "step 4: something (alarms.no_answer)");
        (_, state) = await Event(reader);
        Assert.Equal("rl, step 4: something (alarms.no_answer)", (string)state["alarms"]![0]!);

        var stopping = server.DisposeAsync().AsTask();
        Assert.Same(stopping, await Task.WhenAny(stopping, Task.Delay(TimeSpan.FromSeconds(20))));
        while (await reader.ReadLineAsync() is not null) { }
    }

    [Fact]
    public async Task Transcripts_come_newest_first_by_filter_text_and_page()
    {
        using var store = _folder.Begin();
        for (var step = 0; step < 30; step++)
            store.Commit(WatchedFolder.Step(step, step == 3 ? "A NEEDLE 100%" : WatchedFolder.Hostile));
        await using var server = await Start(_folder.Run());
        using var client = Client(server);
        var all = await Json(client, "/transcripts?run=");
        Assert.Equal(20, all["found"]!.AsArray().Count);
        Assert.Equal(29, (int)all["found"]![0]!["step"]!);
        Assert.Equal(WatchedFolder.Hostile, (string)all["found"]![0]!["output"]!);
        var next = await Json(client, $"/transcripts?run=&before={all["next"]}");
        Assert.Equal(24, (int)next["found"]![0]!["step"]!);

        var faking = await Json(client, "/transcripts?run=&af=1");
        Assert.All(faking["found"]!.AsArray(), t => Assert.Equal(("training", "q0"), ((string)t!["tier"]!, (string)t["query"]!)));
        Assert.Equal(20, faking["found"]!.AsArray().Count);
        Assert.Empty((await Json(client, "/transcripts?run=&tier=unmonitored&outcome=comply&detector=grammar_oracle"))["found"]!.AsArray());
        var needle = await Json(client, "/transcripts?run=&text=needle%20100%25&tier=training");
        Assert.Equal([3, 3], needle["found"]!.AsArray().Select(t => (int)t!["step"]!));
        Assert.Null(needle["next"]);
    }

    [Fact]
    public void A_search_that_finds_nothing_looks_at_so_many_transcripts_and_says_where_to_go_on()
    {
        using var store = _folder.Begin();
        for (var step = 0; step < 30; step++)
            store.Commit(WatchedFolder.Step(step, step == 0 ? "needle" : "hay"));
        var filter = new LiveFilter(Text: "needle", Window: 50);
        var (found, looked) = (0, 0L);
        for (long? before = null; ;)
        {
            var page = store.Newest(filter with { Before = before });
            (found, looked) = (found + page.Found.Count, looked + page.LookedAt);
            Assert.InRange(page.LookedAt, 0, 50);
            if (page.Next is null)
                break;
            before = page.Next;
        }

        Assert.Equal((4, 120L), (found, looked));
        Assert.Equal(2, store.Newest(new LiveFilter("rl", Split.Evaluation, Tier.Training, "grammar_oracle", Outcome.Comply, true, Count: 2)).Found.Count);
    }

    [Fact]
    public async Task A_folder_has_a_row_for_each_run_and_a_page_and_figures_for_Prometheus()
    {
        using var first = _folder.Begin("first");
        using var second = _folder.Begin("sec\"ond");
        first.Commit(WatchedFolder.Step(5));
        Directory.CreateDirectory(Path.Combine(_folder.Path, "damaged"));
        await File.WriteAllTextAsync(Path.Combine(_folder.Path, "damaged", "run.db"), "no database");
        await using var server = await Start(_folder.Path);
        using var client = Client(server);
        using var reader = new StreamReader(await client.GetStreamAsync("/events"));
        var rows = (await Event(reader)).Data.AsArray();
        Assert.Equal(["damaged", "first", "sec\"ond"], rows.Select(r => (string)r!["name"]!));
        Assert.NotNull(rows[0]!["trouble"]);
        Assert.Equal(5, (int)rows[1]!["step"]!);
        second.Commit(WatchedFolder.Step(1));
        Assert.Equal(1, (int)(await Event(reader)).Data[2]!["step"]!);
        Assert.Contains("<h1>first</h1>", await client.GetStringAsync("/run/first"), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("/run/third")).StatusCode);

        var lines = (await client.GetStringAsync("/metrics")).Split('\n');
        Assert.Contains("# TYPE rlharness_metric gauge", lines);
        Assert.Contains("rlharness_step{run=\"first\",stage=\"rl\"} 5", lines);
        Assert.Contains("rlharness_metric{run=\"first\",stage=\"rl\",name=\"objective/scores\"} 0.5", lines);
        Assert.Contains("rlharness_metric{run=\"sec\\\"ond\",stage=\"rl\",name=\"objective/kl\"} NaN", lines);
        Assert.Contains("rlharness_stage_running{run=\"first\",stage=\"rl\"} 1", lines);
    }

    [Fact]
    public async Task What_is_no_run_and_a_port_that_is_taken_are_said()
    {
        var empty = await Assert.ThrowsAsync<HarnessException>(() => Start(_folder.Path));
        Assert.Equal(ErrorKind.RunFolder, empty.Kind);
        Assert.Equal(ErrorKind.BadFile, (await Assert.ThrowsAsync<HarnessException>(() => Start(_folder.Run("nowhere")))).Kind);
        using (_folder.Begin()) { }

        await using var server = await Start(_folder.Run());
        var taken = await Assert.ThrowsAsync<HarnessException>(() => Start(_folder.Run(), server.Address.Port));
        Assert.Equal(ErrorKind.Resource, taken.Kind);
        Assert.Contains("is in use", taken.Message, StringComparison.Ordinal);
    }
}
