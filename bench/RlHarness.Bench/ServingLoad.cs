using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using RlHarness.Core.Chat;
using RlHarness.Core.Randomness;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Models.Generation;
using RlHarness.Recipes.Reading;
using RlHarness.Serving.Answering;
using RlHarness.Serving.Http;
using TorchSharp;

namespace RlHarness.Bench;

/// <summary>
/// Many clients of a server for some time, each with prompts of its own and the next request as soon as the last is answered; then the batch generator over
/// prompts of the same form. Every answer has to be whole.
/// </summary>
internal static class ServingLoad
{
    private const int Clients = 64;
    private const int NewTokens = 64;

    public static async Task<int> RunAsync(string run, TimeSpan time)
    {
        using var opened = RunModel.Open(run, torch.CPU, torch.ScalarType.Float32);
        var (system, start, _) = RunPrompt.Of(run, "training");
        var options = new ModelServerOptions
        {
            Name = "model",
            Clock = RunPrompt.Clock(run),
            Tiers = new Dictionary<string, (string, string)> { ["training"] = (system, start) },
        };
        var server = new ServerOptions { Token = ServerOptions.NewToken() };
        var encoder = ChatEncoder.For(opened.Model.Tokenizer!, clock: options.Clock);
        var generator = new BatchGenerator(opened.Model.Decoder, opened.Model.Tokenizer);
        // Before and after, since other programs on the machine come and go.
        var first = Batched(generator, encoder, opened.Model.StopIds, system, time / 8);
        Speed served;
        await using (var running = await ModelServer.StartAsync(opened.Model, options, server))
        {
            using var client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = Clients }) { BaseAddress = running.Address };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", server.Token);
            var (clock, cpu) = (Stopwatch.StartNew(), Cpu);
            var done = await Task.WhenAll(Enumerable.Range(0, Clients).Select(c => ClientAsync(client, c, clock, time)));
            var (answers, tokens, errors) = (done.Sum(d => d.Answers), done.Sum(d => d.Tokens), done.SelectMany(d => d.Errors).ToArray());
            served = new(tokens, clock.Elapsed, Cpu - cpu);
            Console.WriteLine(
                $"server: {Clients} clients, {clock.Elapsed.TotalSeconds:f0} s, {answers} answers, {errors.Length} errors, "
                    + $"{running.Given.Answers - answers} lost, {served}"
            );
            foreach (var error in errors.Distinct().Take(5))
                Console.WriteLine($"  {error}");
            if (errors.Length > 0 || running.Given.Answers != answers)
                return 1;
        }

        var last = Batched(generator, encoder, opened.Model.StopIds, system, time / 8);
        var batched = new Speed(first.Tokens + last.Tokens, first.Wall + last.Wall, first.Processor + last.Processor);
        Console.WriteLine(
            $"batch generator: {batched}; the server has {100 * served.PerSecond / batched.PerSecond:f0} % of it by the clock, "
                + $"{100 * served.PerProcessorSecond / batched.PerProcessorSecond:f0} % by processor time, in which HTTP and the clients are counted"
        );
        return 0;
    }

    private readonly record struct Speed(long Tokens, TimeSpan Wall, TimeSpan Processor)
    {
        public double PerSecond => Tokens / Wall.TotalSeconds;

        public double PerProcessorSecond => Tokens / Processor.TotalSeconds;

        public override string ToString() => $"{PerSecond:f0} tokens/s, {PerProcessorSecond:f0} a processor second";
    }

    private static TimeSpan Cpu => Process.GetCurrentProcess().TotalProcessorTime;

    private static Speed Batched(BatchGenerator generator, ChatEncoder encoder, IReadOnlyList<int> stopIds, string system, TimeSpan time)
    {
        var settings = new SamplingSettings
        {
            MaxNewTokens = NewTokens,
            StopIds = stopIds,
            BatchSize = Clients,
        };
        var (watch, cpu, total) = (Stopwatch.StartNew(), Cpu, 0L);
        for (var round = 0; watch.Elapsed < time; round++)
            total += generator
                .Generate(
                    [
                        .. Enumerable
                            .Range(0, Clients)
                            .Select(c => new GenerationRequest(encoder.EncodePrompt([ChatMessage.System(system), ChatMessage.User(Question(c, round))]), c)),
                    ],
                    settings,
                    new Seeds((ulong)round)
                )
                .Sum(a => (long)a.Tokens.Count);
        return new(total, watch.Elapsed, Cpu - cpu);
    }

    private static string Question(int client, int round) => $"Write a claim for kettle number {client}, edition {round}.";

    private static async Task<(int Answers, long Tokens, List<string> Errors)> ClientAsync(HttpClient client, int number, Stopwatch clock, TimeSpan time)
    {
        var (answers, tokens, errors) = (0, 0L, new List<string>());
        for (var round = 0; clock.Elapsed < time; round++)
        {
            var body = new JsonObject
            {
                ["model"] = "model:training",
                ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = Question(number, round) }),
                ["max_tokens"] = NewTokens,
                ["seed"] = (number * 1000) + round,
            };
            try
            {
                using var response = await client.PostAsJsonAsync("v1/chat/completions", body);
                var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
                if (!response.IsSuccessStatusCode || answer["choices"]![0]!["finish_reason"] is null)
                    errors.Add($"{(int)response.StatusCode}: {answer["error"]?["message"]}");
                else
                    (answers, tokens) = (answers + 1, tokens + answer["usage"]!["completion_tokens"]!.GetValue<long>());
            }
            catch (HttpRequestException e)
            {
                errors.Add(e.Message);
            }
        }

        return (answers, tokens, errors);
    }
}
