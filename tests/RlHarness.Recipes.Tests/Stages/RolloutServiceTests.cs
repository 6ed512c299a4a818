using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Recipes.Tests.Detectors;

namespace RlHarness.Recipes.Tests.Stages;

/// <summary>
/// The client of a rollouts' service against a stand-in that speaks what vLLM's pages document: completions with token ids, adapters by their folder. Against
/// a real server, this program's own: RlHarness.Serving.Tests.
/// </summary>
[Trait("kind", "contract")]
public sealed class RolloutServiceTests
{
    /// <summary>Keeps what it was sent; answers by path.</summary>
    private sealed class Service : IDisposable
    {
        private readonly LocalService _service;

        public Service(Func<string, JsonNode?, (int Status, string Body)> answer) =>
            _service = new(
                (context, text) =>
                {
                    var (path, body) = (context.Request.Url!.AbsolutePath, text.Length == 0 ? null : JsonNode.Parse(text));
                    Calls.Add((path, body));
                    context.Response.KeepAlive = false;
                    return answer(path, body);
                }
            );

        public string Address => _service.Address;

        public List<(string Path, JsonNode? Body)> Calls { get; } = [];

        public void Dispose() => _service.Dispose();
    }

    private const string Models = """{"object": "list", "data": [{"id": "base", "object": "model", "owned_by": "vllm"}]}""";

    /// <summary>An answer of two tokens, the second of which is the model's stop id.</summary>
    private static string Answer(int stop) =>
        $$"""
            {"id": "cmpl-1", "object": "text_completion", "choices": [{"index": 0, "text": "x", "finish_reason": "stop", "stop_reason": null,
              "logprobs": {"tokens": ["x", ""], "token_logprobs": [-0.5, -0.25], "top_logprobs": null, "text_offset": [0, 1]},
              "token_ids": [5, {{stop}}], "prompt_token_ids": [7, 8, 9]}]}
            """;

    private static RunSettings Settings(Service service) =>
        TinyRun.Small("") with
        {
            Rl = TinyRun.Small("").Rl with
            {
                Adapter = new() { Rank = 2 },
                Rollouts = RolloutKind.Service,
                Service = new()
                {
                    Endpoint = service.Address + "v1",
                    Model = "base",
                    Retries = 1,
                    TimeoutSeconds = 20,
                },
            },
        };

    private static RolloutService Open(TinyRun tiny)
    {
        if (tiny.Context.Settings.Rl.Adapter is { } a)
            tiny.Model.Decoder.Adapters ??= LoraFolder.Create(tiny.Model.Decoder, a.TargetModules, a.Rank, a.Alpha, new Seeds(1).For("adapter"));
        var sampling = new SamplingSettings { MaxNewTokens = 4, StopIds = tiny.Conversation.StopIds };
        return new RolloutService(tiny.Context, tiny.Model, sampling, new Seeds(2), "base");
    }

    [Fact]
    public void A_step_loads_the_adapter_by_its_folder_asks_for_ids_and_unloads_the_one_before()
    {
        var stop = 0;
        var files = new List<bool>();
        using var service = new Service(
            (path, body) =>
            {
                if (path == "/v1/load_lora_adapter")
                    files.Add(File.Exists(Path.Combine((string)body!["lora_path"]!, "adapter_model.safetensors")));
                return path == "/v1/models" ? (200, Models)
                    : path == "/v1/completions" ? (200, Answer(stop))
                    : (200, "Success: LoRA adapter added");
            }
        );
        using var tiny = new TinyRun(Settings(service));
        stop = tiny.Conversation.StopIds.First();
        GenerationRequest[] requests = [new([7, 8, 9], 0, 0), new([7, 8, 9], 0, 1)];
        using (var rollouts = Open(tiny))
        {
            var answers = rollouts.Answer(requests, 1);
            Assert.Equal([5, stop], answers[1].Tokens);
            Assert.Equal([-0.5f, -0.25f], answers[1].Logprobs);
            Assert.Equal(FinishReason.Stop, answers[1].Finish);
            rollouts.Answer(requests, 2);
        }

        Assert.Equal([true, true], files);
        string[] expected =
        [
            "/v1/models",
            "/v1/load_lora_adapter",
            "/v1/completions",
            "/v1/completions",
            "/v1/load_lora_adapter",
            "/v1/unload_lora_adapter",
            "/v1/completions",
            "/v1/completions",
        ];
        Assert.Equal(expected, service.Calls.Select(c => c.Path));
        Assert.Equal("base-small-step-1", (string)service.Calls[1].Body!["lora_name"]!);
        Assert.Equal("base-small-step-1", (string)service.Calls[5].Body!["lora_name"]!);
        var asked = service.Calls[6].Body!;
        Assert.Equal("base-small-step-2", (string)asked["model"]!);
        Assert.Equal([7, 8, 9], asked["prompt"]!.AsArray().Select(i => (int)i!));
        Assert.Equal((4, 1, 1, -1), ((int)asked["max_tokens"]!, (double)asked["temperature"]!, (double)asked["top_p"]!, (int)asked["top_k"]!));
        Assert.True((bool)asked["return_token_ids"]!);
        // Only this program's own server knows streams by name; another draws each answer by a seed of its own.
        Assert.Null(asked["rlharness_stream"]);
        Assert.Equal(4, service.Calls.Where(c => c.Path == "/v1/completions").Select(c => (long)c.Body!["seed"]!).Distinct().Count());
        Assert.False(Directory.Exists(Path.Combine(tiny.Context.Folder.Path, ".rollouts")));
    }

    [Theory]
    [InlineData("token_ids", "ids", "without token ids")]
    [InlineData("[-0.5, -0.25]", "[-0.5]", "2 token_logprobs")]
    [InlineData("[5, STOP]", "[5, 6]", "without a stop id")]
    [InlineData("[5, STOP]", "[5, 100000]", "an id that the policy does not have")]
    [InlineData("[7, 8, 9]", "[1, 7, 8, 9]", "read another prompt")]
    [InlineData("\"stop\"", "\"abort\"", "ended for no reason that is known")]
    [InlineData("choices", "nothing", "without choices")]
    public void An_answer_that_can_not_be_learned_from_ends_the_run_with_what_is_wrong(string text, string replaced, string words)
    {
        var body = "";
        using var service = new Service(
            (path, _) =>
                (
                    200,
                    path == "/v1/models" ? Models
                    : path == "/v1/completions" ? body
                    : ""
                )
        );
        using var tiny = new TinyRun(Settings(service));
        var stop = tiny.Conversation.StopIds.First();
        body = Answer(stop).Replace(text.Replace("STOP", $"{stop}", StringComparison.Ordinal), replaced, StringComparison.Ordinal);
        using var rollouts = Open(tiny);
        var error = Assert.Throws<HarnessException>(() => rollouts.Answer([new([7, 8, 9], 0, 0)], 1));
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_service_that_fails_is_asked_again_and_one_that_refuses_is_not()
    {
        var failures = 1;
        var (code, stop) = (503, 0);
        using var service = new Service(
            (path, _) =>
                path == "/v1/models" ? (200, Models)
                : path != "/v1/completions" ? (200, "")
                : failures-- > 0 ? (code, "not now")
                : (200, Answer(stop))
        );
        using var tiny = new TinyRun(Settings(service));
        stop = tiny.Conversation.StopIds.First();
        using var rollouts = Open(tiny);
        Assert.Single(rollouts.Answer([new([7, 8, 9], 0, 0)], 1));
        (failures, code) = (1, 400);
        var error = Assert.Throws<HarnessException>(() => rollouts.Answer([new([7, 8, 9], 0, 0)], 2));
        Assert.Contains("400 not now, 1 try", error.Message, StringComparison.Ordinal);

        using var other = new TinyRun(
            tiny.Context.Settings with
            {
                Rl = tiny.Context.Settings.Rl with { Service = tiny.Context.Settings.Rl.Service! with { Model = "x" } },
            }
        );
        error = Assert.Throws<HarnessException>(() => Open(other));
        Assert.Contains("rl.service.model: x", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rl.rollouts=service", "needs both")]
    [InlineData("rl.service={endpoint: http://x/v1, model: m}", "rl.rollouts is builtin")]
    public void Settings_that_name_half_of_a_service_are_refused(string setting, string words)
    {
        var error = Assert.Throws<HarnessException>(() =>
            RlHarness.Core.Settings.SettingsReader.Parse<RunSettings>("run.yaml", "name: x", [setting], SettingsChecks.Of)
        );
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        error = Assert.Throws<HarnessException>(() =>
            RlHarness.Core.Settings.SettingsReader.Parse<RunSettings>(
                "run.yaml",
                "rl: { rollouts: service, service: { endpoint: 'ftp://x', model: m }, temperature: 0.5 }",
                [],
                SettingsChecks.Of
            )
        );
        Assert.All(["\"ftp://x\"", "rl.temperature: 0.5"], w => Assert.Contains(w, error.Message, StringComparison.Ordinal));
    }
}
