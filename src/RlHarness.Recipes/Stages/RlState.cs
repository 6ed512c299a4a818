using System.Text.Json;
using System.Text.Json.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Stages;

/// <summary>The numbers of a checkpoint that are no tensors. Random numbers need no state: each is derived from the seed and what it is for.</summary>
internal sealed record RlState(int Step, int PolicyOptimizerSteps, int CriticOptimizerSteps, double KlCoefficient)
{
    private const string Pending = "pending.json";

    /// <summary>Numbers survive bit for bit, also those that are not finite.</summary>
    private static readonly JsonSerializerOptions Rows = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private static readonly JsonSerializerOptions Options = TextFile.Strict(
        new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower }
    );

    public static void Write(string folder, RlState state) =>
        AtomicFile.WriteAllText(Path.Combine(folder, "state.json"), JsonSerializer.Serialize(state, Options) + "\n");

    public static RlState Read(string folder)
    {
        var path = Path.Combine(folder, "state.json");
        const string Remedy = "resume from an older checkpoint";
        var state = TextFile.ReadJson<RlState>(path, "a checkpoint's numbers", Remedy, Options);
        return state is { Step: >= 0, PolicyOptimizerSteps: >= 0, CriticOptimizerSteps: >= 0, KlCoefficient: >= 0 and < double.PositiveInfinity }
            ? state
            : throw HarnessException.BadFile(path, "a number of the checkpoint is out of range", $"{state}", "steps and a coefficient of 0 or more", Remedy);
    }

    /// <summary>Rows that wait for the evaluation of their step.</summary>
    public static void WritePending(string folder, StepBatch rows) =>
        AtomicFile.WriteAllText(Path.Combine(folder, Pending), JsonSerializer.Serialize(rows, Rows) + "\n");

    /// <summary>Null where the step's rows were written.</summary>
    public static StepBatch? ReadPending(string folder)
    {
        var path = Path.Combine(folder, Pending);
        return File.Exists(path) ? TextFile.ReadJson<StepBatch>(path, "rows of a step", "resume from an older checkpoint", Rows) : null;
    }
}

/// <summary>Seconds of the parts of a step.</summary>
internal sealed class StepClock(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();
    private readonly Dictionary<string, double> _laps = new(StringComparer.Ordinal);
    private long _last = time.GetTimestamp();

    internal IReadOnlyDictionary<string, double> Laps => _laps;

    internal double Total => time.GetElapsedTime(_start).TotalSeconds;

    internal void Lap(string part)
    {
        var now = time.GetTimestamp();
        _laps[part] = time.GetElapsedTime(_last, now).TotalSeconds;
        _last = now;
    }

    internal double Seconds(string part) => Math.Max(1e-9, _laps.GetValueOrDefault(part));
}
