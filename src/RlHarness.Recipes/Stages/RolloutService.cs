using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// Rollouts by a service that speaks OpenAI's text completions and gives token ids and log-probabilities as vLLM does. Before each step's prompts it is given
/// the policy: an adapter by vLLM's <c>/v1/load_lora_adapter</c>, or a whole model by SGLang's <c>/update_weights_from_disk</c>; both are given a folder, which
/// the service has to see by the same path. The first rank asks it; all ranks get all answers.
/// </summary>
internal sealed class RolloutService : IDisposable
{
    /// <summary>Folder of the weights that the service is given, inside the run's; gone when the stage ends.</summary>
    private const string Folder = ".rollouts";

    /// <summary>Whom `serve` of this program says that it belongs to: it draws from the same random streams as this program's own generation.</summary>
    private const string OwnName = "rlharness";

    private const string Mend = "mend the service, or set rl.rollouts: builtin; resume goes on from the newest checkpoint";

    private readonly RunContext _run;
    private readonly RolloutServiceSettings _settings;
    private readonly LoadedModel _policy;
    private readonly SamplingSettings _sampling;
    private readonly Seeds _seeds;
    private readonly ServiceCalls _calls;
    private readonly string _address;
    private readonly string _folder;
    private readonly string _baseOfAdapter;
    private bool _hasStreams;
    private string _model;
    private string? _adapter;

    /// <param name="baseOfAdapter">What an adapter's folder says that it stands on.</param>
    /// <exception cref="HarnessException">
    /// The service does not answer, has no such model, or the environment variable that is to hold its key is empty: on all ranks.
    /// </exception>
    internal RolloutService(RunContext run, LoadedModel policy, SamplingSettings sampling, Seeds seeds, string baseOfAdapter)
    {
        _settings = run.Settings.Rl.Service!;
        (_run, _policy, _sampling, _seeds, _baseOfAdapter) = (run, policy, sampling, seeds, baseOfAdapter);
        _address = _settings.Endpoint!.TrimEnd('/');
        _folder = Path.Combine(Path.GetFullPath(run.Folder.Path), Folder);
        _model = _settings.Model!;
        _calls = new("the rollouts' service", "status 200, and a JSON object", Mend, _settings.TimeoutSeconds, _settings.Retries, run.Asked);
        if (_settings.KeyVariable is { } variable)
            _calls.Authorize(
                Environment.GetEnvironmentVariable(variable) is { Length: > 0 } key
                    ? key
                    : throw new HarnessException(
                        ErrorKind.BadInput,
                        $"no key for the rollouts' service at {_address}",
                        $"the environment variable {variable} is empty",
                        "the key of the service",
                        "set the variable, or rl.service.key_variable: null for a service without keys"
                    )
            );
        _run.Ranks.FirstDoes("the rollouts' service", Find);
    }

    /// <summary>Answers in the order of the requests, drawn with the policy as it is now.</summary>
    internal IReadOnlyList<GeneratedSequence> Answer(IReadOnlyList<GenerationRequest> requests, long step)
    {
        var answers = _run.Ranks.FromFirst("answers of the service", () =>
        {
            Publish(step);
            var given = new Given[requests.Count];
            try
            {
                Parallel.For(0, requests.Count, new ParallelOptions { MaxDegreeOfParallelism = _settings.Concurrency, CancellationToken = _run.Asked }, i =>
                    given[i] = Ask(requests[i], step)
                );
            }
            catch (AggregateException e) when (e.InnerExceptions.OfType<HarnessException>().FirstOrDefault() is { } first)
            {
                throw first;
            }
            catch (AggregateException) when (_run.Asked.IsCancellationRequested)
            {
                // Calls that the stop cut short, each in its own way.
                throw new OperationCanceledException(_run.Asked);
            }

            return given;
        });
        return [.. answers.Select((a, i) => new GeneratedSequence(requests[i], a.Ids, a.Logprobs, a.IsCut ? FinishReason.Length : FinishReason.Stop))];
    }

    public void Dispose()
    {
        _calls.Dispose();
        if (_run.Ranks.IsFirst && Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    private sealed record Given(int[] Ids, float[] Logprobs, bool IsCut);

    /// <summary>Looks for the model, and whose service it is.</summary>
    private void Find()
    {
        var models = _calls.Json(HttpMethod.Get, $"{_address}/models", null)["data"] as JsonArray ?? [];
        var named = models.OfType<JsonObject>().Select(m => (Name: ServiceCalls.Word(m["id"]), Owner: ServiceCalls.Word(m["owned_by"]))).ToArray();
        if (named.All(m => m.Name != _model))
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{_address}: the service has no model of this name",
                $"rl.service.model: {_model}",
                named.Length == 0 ? "a list of models" : string.Join(", ", named.Select(m => m.Name)),
                "set rl.service.model to one of them"
            );
        _hasStreams = named.First(m => m.Name == _model).Owner == OwnName;
    }

    /// <summary>Gives the service the policy as it is.</summary>
    private void Publish(long step)
    {
        // Two folders in turn: what the service reads is whole until the next step is.
        var folder = Path.Combine(_folder, (step % 2).ToString(CultureInfo.InvariantCulture));
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        if (_policy.Decoder.Adapters is { } adapters)
        {
            LoraFolder.Save(folder, adapters, _baseOfAdapter);
            // A name of its own for each step: a service that has one already refuses it, and keeps what it has read of prompts by the name.
            var name = string.Create(CultureInfo.InvariantCulture, $"{_settings.Model}-{RunName}-step-{step}");
            _calls.Text(HttpMethod.Post, $"{_address}/load_lora_adapter", new() { ["lora_name"] = name, ["lora_path"] = folder });
            if (_adapter is { } before && before != name)
                _calls.Text(HttpMethod.Post, $"{_address}/unload_lora_adapter", new() { ["lora_name"] = before });
            (_adapter, _model) = (name, name);
            return;
        }

        ModelSaver.Save(folder, _policy);
        var root = _address.EndsWith("/v1", StringComparison.Ordinal) ? _address[..^"/v1".Length] : _address;
        var said = _calls.Json(HttpMethod.Post, $"{root}/update_weights_from_disk", new() { ["model_path"] = folder });
        if (said["success"] is not JsonValue success || !success.TryGetValue<bool>(out var taken) || !taken)
            throw new HarnessException(ErrorKind.Resource, $"{_address}: the service did not take the weights", said.ToJsonString(), "\"success\": true", Mend);
    }

    private string RunName => _run.Settings.Name;

    private Given Ask(GenerationRequest request, long step)
    {
        var body = new JsonObject
        {
            ["model"] = _model,
            ["prompt"] = new JsonArray([.. request.Ids.Select(i => JsonValue.Create(i))]),
            ["max_tokens"] = _sampling.MaxNewTokens,
            ["temperature"] = _sampling.Temperature,
            // Said although they are usual: a service may take others from the model's generation_config.json.
            ["top_p"] = 1,
            ["top_k"] = -1,
            ["min_p"] = 0,
            ["repetition_penalty"] = 1,
            ["seed"] = (long)(_seeds.For("service", step, request.Prompt, request.Sample).NextUInt64() >> 33),
            ["stop_token_ids"] = new JsonArray([.. _sampling.StopIds.Order().Select(i => JsonValue.Create(i))]),
            ["logprobs"] = 1,
            ["return_token_ids"] = true,
        };
        if (_hasStreams)
            body["rlharness_stream"] = new JsonArray(_seeds.Root, step, request.Prompt, request.Sample);
        var answer = _calls.Json(HttpMethod.Post, $"{_address}/completions", body);
        return Read(answer, request);
    }

    private Given Read(JsonObject answer, GenerationRequest request)
    {
        HarnessException Bad(string what, string found, string expected) =>
            new(ErrorKind.BadInput, $"{_address}: {what}", ServiceCalls.Quoted(found), expected, Mend);
        if ((answer["choices"] as JsonArray)?.FirstOrDefault() is not JsonObject choice)
            throw Bad("an answer without choices", answer.ToJsonString(), "a text completion");
        // vLLM's and this program's name, then the one that SGLang's own tests read.
        if (Numbers<int>(choice["token_ids"] ?? choice["response_token_ids"]) is not { Length: > 0 } ids)
            throw Bad("an answer without token ids", choice.ToJsonString(), "token_ids, which vLLM gives for return_token_ids (0.10.2 and newer)");
        if (Numbers<float>((choice["logprobs"] as JsonObject)?["token_logprobs"]) is not { } logprobs || logprobs.Length != ids.Length)
            throw Bad("an answer whose log-probabilities are not those of its tokens", choice.ToJsonString(), $"{ids.Length} token_logprobs");
        if (Numbers<int>(choice["prompt_token_ids"]) is { } prompt && !prompt.SequenceEqual(request.Ids))
            throw Bad("the service read another prompt", string.Join(' ', prompt), string.Join(' ', request.Ids));
        var vocabulary = _policy.Decoder.Config.VocabSize;
        if (Array.Find(ids, i => i < 0 || i >= vocabulary) is var beyond && (beyond < 0 || beyond >= vocabulary))
            throw Bad("an id that the policy does not have", $"{beyond}", $"ids below {vocabulary}");
        var reason = ServiceCalls.Word(choice["finish_reason"]);
        if (reason is not ("stop" or "length"))
            throw Bad("an answer that ended for no reason that is known", reason ?? "nothing", "stop or length");
        if (reason == "stop" && !_sampling.StopIds.Contains(ids[^1]))
            throw Bad("an answer that stopped without a stop id at its end", $"id {ids[^1]}", $"one of {string.Join(", ", _sampling.StopIds.Order())}");
        return new(ids, logprobs, reason == "length");
    }

    /// <summary>Numbers of a list; null where it is none, or has something else in it.</summary>
    private static T[]? Numbers<T>(JsonNode? node)
    {
        try
        {
            return (node as JsonArray)?.Deserialize<T[]>();
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
