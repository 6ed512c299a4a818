using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Training.Rollouts;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// Answers of an evaluation that takes long, below <c>progress/evaluate</c>: written about once a minute, when it is stopped, and when all are sampled, so that
/// a run that is resumed samples the others alone. They are used again only for the same weights, prompts, sampling and device, and go when the run ends.
/// </summary>
internal sealed class EvaluationParts
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private readonly RunContext _run;
    private readonly string _file;
    private readonly Func<string> _findKey;
    private readonly long _started;
    private readonly Dictionary<int, GeneratedSequence> _answers = [];
    private string? _key;
    private long _written;

    private EvaluationParts(RunContext run, string file, Func<string> key)
    {
        (_run, _file, _findKey, _started) = (run, file, key, run.Time.GetTimestamp());
        _written = _started;
    }

    private sealed record Answer(int Index, IReadOnlyList<int> Tokens, IReadOnlyList<float> Logprobs, FinishReason Finish);

    private sealed record Parts(string Key, IReadOnlyList<Answer> Answers);

    /// <summary>The answers that there are; whoever adds one calls <see cref="Added"/>.</summary>
    internal IDictionary<int, GeneratedSequence> Answers => _answers;

    private TimeSpan Interval => TimeSpan.FromMinutes(_run.Settings.CheckpointMinutes is var minutes and > 0 ? Math.Min(1, minutes) : 1);

    /// <param name="purpose">What is sampled, in the name of the file.</param>
    internal static EvaluationParts Open(RunContext run, string purpose, RolloutWorker worker, IReadOnlyList<GenerationRequest> requests, long step)
    {
        var file = Path.Combine(Folder(run), purpose.Replace('/', '-') + ".json");
        var parts = new EvaluationParts(run, file, () => Key(run, purpose, worker, requests, step));
        if (run.Ranks.IsFirst && File.Exists(file))
            parts.Read(requests);
        return parts;
    }

    /// <summary>Writes what there is where that is due.</summary>
    internal void Added()
    {
        if (_run.Ranks.IsFirst && _run.Time.GetElapsedTime(_written) >= Interval)
            Write();
    }

    /// <summary>Removes what there is: the rows of the evaluation are written.</summary>
    internal static void Clear(RunContext run)
    {
        if (run.Ranks.IsFirst)
            StageCheckpoints.Clear(Folder(run));
    }

    /// <summary>Writes what there is, where sampling took long enough for that to be worth while.</summary>
    internal void Save()
    {
        if (_run.Ranks.IsFirst && _run.Time.GetElapsedTime(_started) >= Interval)
            Write();
    }

    private static string Folder(RunContext run) => Path.Combine(run.Folder.Path, "progress", "evaluate");

    private static string Key(RunContext run, string purpose, RolloutWorker worker, IReadOnlyList<GenerationRequest> requests, long step)
    {
        var weights = NamedTensors.Of(worker.Policy.Parameters).Concat(worker.Policy.Adapters is { } a ? NamedTensors.Of(a.Parameters, "adapter.") : []);
        var text = JsonSerializer.Serialize(
            new
            {
                purpose,
                step,
                run.Settings.Seed,
                run.Settings.Threads,
                run.Settings.Kernels,
                Device = run.Device.ToString(),
                Type = run.ComputeType.ToString(),
                worker.Settings,
                requests,
                Weights = NamedTensors.Hash(weights),
            },
            Json
        );
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }

    private void Read(IReadOnlyList<GenerationRequest> requests)
    {
        try
        {
            var parts = TextFile.ReadJson<Parts>(_file, "the answers of an evaluation", "remove it: the evaluation is then made whole", Json);
            if (parts.Key != (_key = _findKey()))
                return;
            foreach (var a in parts.Answers.Where(a => a.Index >= 0 && a.Index < requests.Count && a.Tokens.Count == a.Logprobs.Count))
                _answers[a.Index] = new(requests[a.Index], a.Tokens, a.Logprobs, a.Finish);
            _run.Progress.Note($"{_answers.Count} of {requests.Count} answers were sampled before");
        }
        catch (HarnessException e)
        {
            _run.Warn("", 0, $"an evaluation is made whole: {e.Message.Split('\n')[0].TrimEnd()}");
        }
    }

    private void Write()
    {
        var answers = _answers.Select(a => new Answer(a.Key, a.Value.Tokens, a.Value.Logprobs, a.Value.Finish)).OrderBy(a => a.Index);
        AtomicFile.WriteAllText(_file, JsonSerializer.Serialize(new Parts(_key ??= _findKey(), [.. answers]), Json) + "\n");
        _written = _run.Time.GetTimestamp();
    }
}
