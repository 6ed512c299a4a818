using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Recipes.Stages;

/// <summary>The numbers of a checkpoint that are no tensors. Random numbers need no state: each is derived from the seed and what it is for.</summary>
internal sealed record RlState(int Step, int PolicyOptimizerSteps, int CriticOptimizerSteps, double KlCoefficient)
{
    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static void Write(string folder, RlState state) =>
        AtomicFile.WriteAllText(Path.Combine(folder, "state.json"), JsonSerializer.Serialize(state, Options) + "\n");

    public static RlState Read(string folder)
    {
        var path = Path.Combine(folder, "state.json");
        return JsonSerializer.Deserialize<RlState>(File.ReadAllText(path), Options) ?? throw HarnessException.BadFile(path, "empty");
    }
}
