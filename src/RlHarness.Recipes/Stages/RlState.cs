using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Recipes.Stages;

/// <summary>The numbers of a checkpoint that are no tensors. Random numbers need no state: each is derived from the seed and what it is for.</summary>
internal sealed record RlState(int Step, int PolicyOptimizerSteps, int CriticOptimizerSteps, double KlCoefficient)
{
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
}
