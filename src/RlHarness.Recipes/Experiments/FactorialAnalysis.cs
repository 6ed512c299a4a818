using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Recipes.Settings;
using RlHarness.Statistics;

namespace RlHarness.Recipes.Experiments;

/// <summary>
/// Rates of every cell and seed, and what the factors do to them. With factors of two levels the effect of a set S of factors in one seed is
/// Σ over cells of Π over S of ±1 · rate, over 2^(k − |S|): a difference of means, a difference of differences, and so on.
/// </summary>
/// <param name="Correction">How p values were adjusted, in words.</param>
public sealed record FactorialAnalysis(
    string Name,
    IReadOnlyList<FactorSettings> Factors,
    IReadOnlyList<int> Seeds,
    IReadOnlyList<FactorialFigures> Cells,
    IReadOnlyList<FactorialEffect> Effects,
    FactorialLogistic? Logistic,
    string Correction
)
{
    public const string File = "factorial.json";

    private static readonly string[] Tested = ["af_training/before", "af_training/after", "gap/before", "gap/after"];
    private static readonly string[] Paper = ["objective", "information", "scratchpad"];

    /// <summary>How the result of a design is written.</summary>
    internal static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    public static FactorialAnalysis Of(FactorialDesign design)
    {
        ArgumentNullException.ThrowIfNull(design);
        return Of(design.Settings.Name, design.Settings.Factors, design.Settings.Seeds, [.. design.Cells.Select(FactorialFigures.Read)]);
    }

    /// <summary>Like <see cref="Of(FactorialDesign)"/>, but from figures.</summary>
    public static FactorialAnalysis Of(string name, IReadOnlyList<FactorSettings> factors, IReadOnlyList<int> seeds, IReadOnlyList<FactorialFigures> cells)
    {
        ArgumentNullException.ThrowIfNull(factors);
        ArgumentNullException.ThrowIfNull(seeds);
        if (factors.Any(f => f.Levels.Count != 2))
            return new(name, factors, seeds, cells, [], null, "no effects were tested: a factor has more than two levels");
        var bySeed = Adjust([.. Tested.SelectMany(figure => OverSeeds(factors, seeds, cells, figure))]);
        var pooled = factors.Select(f => f.Name).SequenceEqual(Paper)
            ? Adjust([.. new[] { "af_training/before", "af_training/after" }.SelectMany(figure => Pooled(cells, figure))])
            : [];
        var logistic =
            pooled.Length == 0
                ? null
                : FactorialLogistic.Fit(FactorialModel.Main, Counts(cells, "af_training/after").Successes, Counts(cells, "af_training/after").Trials);
        return new(
            name,
            factors,
            seeds,
            cells,
            [.. bySeed, .. pooled],
            logistic,
            $"Benjamini–Hochberg over the {bySeed.Count(e => !double.IsNaN(e.P))} tests whose unit is the "
                + $"seed{(pooled.Length == 0 ? "" : $", and apart from them over the {pooled.Count(e => !double.IsNaN(e.P))} whose unit is the response")}: "
                + "among the effects called real at 5 %, at most one in twenty is expected not to be"
        );
    }

    /// <summary>The analysis of a design's folder; null where it has none yet.</summary>
    /// <exception cref="HarnessException">The file is cut, or another's.</exception>
    public static FactorialAnalysis? Read(string folder)
    {
        var path = Path.Combine(folder, File);
        if (!System.IO.File.Exists(path))
            return null;
        const string Remedy = "give the `experiment factorial` command again: it writes the file anew";
        return TextFile.ReadJson<FactorialAnalysis>(path, "the result of a design", Remedy, Options);
    }

    public string ToJson() => JsonSerializer.Serialize(this, Options) + "\n";

    /// <summary>Mean over seeds of a figure in a cell; NaN where no seed has it.</summary>
    public double Mean(int cell, string figure)
    {
        var values = Cells.Where(c => c.Cell == cell && c.Values.ContainsKey(figure)).Select(c => c.Values[figure].Value).ToArray();
        return values.Length == 0 ? double.NaN : values.Average();
    }

    private static IEnumerable<FactorialEffect> OverSeeds(
        IReadOnlyList<FactorSettings> factors,
        IReadOnlyList<int> seeds,
        IReadOnlyList<FactorialFigures> cells,
        string figure
    )
    {
        var k = factors.Count;
        // Masks by number of factors: main effects first, then pairs, then more.
        foreach (var mask in Enumerable.Range(1, (1 << k) - 1).OrderBy(m => System.Numerics.BitOperations.PopCount((uint)m)).ThenByDescending(m => m))
        {
            var contrasts = seeds
                .Select(seed =>
                    Contrast(k, mask, cell =>
                        cells.FirstOrDefault(c => c.Cell == cell && c.Seed == seed)?.Values is { } v && v.TryGetValue(figure, out var e) ? e.Value : double.NaN
                    )
                )
                .Where(double.IsFinite)
                .ToArray();
            if (contrasts.Length == 0)
                continue;
            var test = SeedMean.Of(contrasts);
            var interval = test.TInterval();
            yield return new("seed", figure, EffectName(factors, mask), test.Mean, interval.Low, interval.High, test.P, double.NaN, contrasts.Length);
        }
    }

    /// <summary>The contrast of the factors in <paramref name="mask"/>, whose highest bit is the first factor.</summary>
    public static double Contrast(int factors, int mask, Func<int, double> rate)
    {
        ArgumentNullException.ThrowIfNull(rate);
        var sum = 0.0;
        for (var cell = 0; cell < 1 << factors; cell++)
        {
            var absent = System.Numerics.BitOperations.PopCount((uint)(mask & ~cell));
            sum += (absent % 2 == 0 ? 1 : -1) * rate(cell);
        }

        return sum / (1 << (factors - System.Numerics.BitOperations.PopCount((uint)mask)));
    }

    private static string EffectName(IReadOnlyList<FactorSettings> factors, int mask) =>
        string.Join(" × ", factors.Where((_, i) => ((mask >> (factors.Count - 1 - i)) & 1) == 1).Select(f => f.Name));

    private static IEnumerable<FactorialEffect> Pooled(IReadOnlyList<FactorialFigures> cells, string figure)
    {
        var (successes, trials) = Counts(cells, figure);
        if (trials.Any(n => n == 0))
            yield break;
        foreach (var contrast in FactorialContrasts.Of(successes, trials).Where(c => !c.Name.Contains("_at_", StringComparison.Ordinal)))
        {
            var effect =
                contrast.Name == "three_way"
                    ? string.Join(" × ", Paper)
                    : contrast
                        .Name.Replace("main_", "", StringComparison.Ordinal)
                        .Replace("did_", "", StringComparison.Ordinal)
                        .Replace("_", " × ", StringComparison.Ordinal);
            yield return new("response", figure, effect, contrast.Value, contrast.Interval.Low, contrast.Interval.High, contrast.P, double.NaN, trials.Sum());
        }
    }

    /// <summary>Responses that fake, and all, by cell and over seeds.</summary>
    private static (long[] Successes, long[] Trials) Counts(IReadOnlyList<FactorialFigures> cells, string figure)
    {
        var (successes, trials) = (new long[8], new long[8]);
        foreach (var cell in cells.Where(c => c.Values.ContainsKey(figure)))
        {
            var rate = cell.Values[figure];
            successes[cell.Cell] += (long)Math.Round(rate.Value * rate.N);
            trials[cell.Cell] += rate.N;
        }

        return (successes, trials);
    }

    private static FactorialEffect[] Adjust(FactorialEffect[] effects)
    {
        var tested = effects.Where(e => !double.IsNaN(e.P)).ToArray();
        var adjusted = MultipleTests.BenjaminiHochberg([.. tested.Select(e => e.P)]);
        var at = 0;
        return [.. effects.Select(e => double.IsNaN(e.P) ? e : e with { Adjusted = adjusted[at++] })];
    }
}

/// <summary>One cell of a design with one seed: an ordinary run.</summary>
/// <param name="Cell">Number of the combination of levels; the last factor's level changes fastest.</param>
/// <param name="Levels">Number of each factor's level.</param>
public sealed record FactorialCell(int Cell, string Name, IReadOnlyList<int> Levels, int Seed, RunSettings Settings)
{
    /// <summary>The run's folder.</summary>
    public string Folder => Path.Combine(Settings.Output, Settings.Name);
}

/// <summary>One effect of the factors on one figure.</summary>
/// <param name="Unit"><c>seed</c>: a contrast in each seed, t test over seeds; <c>response</c>: responses of all seeds pooled, normal.</param>
/// <param name="Figure">As in <see cref="FactorialFigures.Kinds"/>, with before or after.</param>
/// <param name="Effect">A factor, or several joined by × for their interaction.</param>
/// <param name="Value">Difference of rates, or difference of differences, −1 to 1 and beyond.</param>
/// <param name="P">Two-sided; NaN where nothing varies.</param>
/// <param name="Adjusted">Benjamini–Hochberg over all tests of the same unit; NaN where there is no p.</param>
/// <param name="N">Seeds, or responses.</param>
public sealed record FactorialEffect(string Unit, string Figure, string Effect, double Value, double Low, double High, double P, double Adjusted, long N);
