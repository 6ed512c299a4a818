using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Statistics;

namespace RlHarness.Tracking.Store;

/// <summary><c>probe.json</c> of a run: what its newest probe measured of every layer, with the points of each ROC curve.</summary>
/// <param name="Model">Whose hidden states: a folder or file.</param>
/// <param name="Labels">Whose labels were taken for true.</param>
public sealed record ProbeCurves(string Model, long Step, string Labels, IReadOnlyList<ProbeCurves.Curve> Curves)
{
    public const string File = "probe.json";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <param name="Layer">0 is the embedding; the last one is behind the final norm.</param>
    /// <param name="Against">all, honest_compliance or considers_but_refuses: the negatives.</param>
    public sealed record Curve(
        int Layer,
        string Against,
        Estimate Auroc,
        int Positives,
        int Negatives,
        IReadOnlyList<double> FalsePositiveRates,
        IReadOnlyList<double> TruePositiveRates
    );

    public void Write(string runFolder) => AtomicFile.WriteAllText(Path.Combine(runFolder, File), JsonSerializer.Serialize(this, Json) + "\n");

    /// <summary>Null where no probe was run.</summary>
    /// <exception cref="HarnessException">The file is cut, or another's.</exception>
    public static ProbeCurves? Read(string runFolder)
    {
        var path = Path.Combine(runFolder, File);
        if (!System.IO.File.Exists(path))
            return null;
        return TextFile.ReadJson<ProbeCurves>(path, "a probe's result", "run `probe` again, or delete it", Json);
    }
}
