using RlHarness.Statistics;

namespace RlHarness.Recipes.Planning;

/// <summary>
/// What a design can see before it is run: the paper's effects, each with its test, this design's power, and the size that finds it four times in
/// five.
/// </summary>
/// <param name="Detectable">The smallest effects that are found with the wanted power, in words.</param>
public sealed record EffectPower(EffectPower.Design Of, IReadOnlyList<EffectPower.Row> Rows, IReadOnlyList<(string What, string Smallest)> Detectable)
{
    /// <param name="Queries">Asked in both tiers, in each condition.</param>
    /// <param name="Discordant">Share of queries that the two tiers answer differently.</param>
    /// <param name="Seeds">Runs a condition.</param>
    public sealed record Design(int Queries, double Discordant = DesignPower.PaperDiscordance, int Seeds = 1, double Alpha = 0.05, double Power = 0.8);

    /// <param name="Test">And how its power was computed.</param>
    /// <param name="Needed">Queries for the wanted power; infinite where none are enough.</param>
    public sealed record Row(string Effect, string Test, double Power, double Needed);

    // Greenblatt et al. 2024: compliance gaps within a condition, and AF rates between conditions.
    private static readonly (string What, double Gap)[] Gaps =
    [
        ("gap of 11.3 points, before RL", 0.113),
        ("gap of 6.9 points, after RL", 0.069),
        ("gap of 5 points", 0.05),
        ("gap of 1.2 points, without the objective", 0.012),
    ];

    private static readonly (string What, double First, double Second)[] Rates =
    [
        ("AF 11.9 % → 78.4 %, by RL", 0.119, 0.784),
        ("AF 11.9 % → 0.0 %, without the objective", 0.119, 0),
        ("AF 11.9 % → 7.1 %, without the part on modification", 0.119, 0.071),
        ("AF 11.4 % → 84.6 % by RL, another lab's name", 0.114, 0.846),
        ("AF 26.8 % → 73.2 % by RL, without examples", 0.268, 0.732),
        ("self-exfiltration 0.4 % → 41.0 %, document-tuned", 0.004, 0.41),
    ];

    public static EffectPower For(Design design)
    {
        ArgumentNullException.ThrowIfNull(design);
        var rows = new List<Row>();
        foreach (var (what, gap) in Gaps)
            rows.Add(Paired(what, gap, design));
        foreach (var (what, first, second) in Rates)
            rows.Add(Between(what, first, second, design));
        var gapSeen = Power.McNemarDetectable(design.Discordant, design.Queries, design.Power, design.Alpha);
        var rateSeen = Power.DetectableAbove(0.119, design.Queries, design.Power, design.Alpha);
        List<(string, string)> smallest =
        [
            ("compliance gap within a run (McNemar)", double.IsNaN(gapSeen) ? "none with so few discordant pairs" : Points(gapSeen)),
            ("AF rate above 11.9 % in another condition (z test, two groups)", double.IsNaN(rateSeen) ? "none" : $"{Points(rateSeen - 0.119)} more"),
            (
                "difference of two conditions over seeds (Welch's t)",
                design.Seeds < 2
                    ? "none: one seed a condition says nothing of the next seed"
                    : FormattableString.Invariant($"{SeedPower.Detectable(design.Seeds, design.Power, design.Alpha):f2} standard deviations between seeds")
            ),
        ];
        if (design.Seeds is > 1 and < 6)
            smallest.Add(
                (
                    "the same by exact sign flips over paired seeds",
                    FormattableString.Invariant(
                        $"none at 5 %: {design.Seeds} seeds have {1 << design.Seeds} sign patterns, so p ≥ {2.0 / (1 << design.Seeds):g3}"
                    )
                )
            );
        return new(design, rows, smallest);
    }

    private static Row Paired(string what, double gap, Design d)
    {
        // A gap larger than the discordance that was given needs at least that many discordant pairs.
        var (more, less) = gap >= d.Discordant ? (gap, 0.0) : ((d.Discordant + gap) / 2, (d.Discordant - gap) / 2);
        var exact = d.Queries <= 1100;
        var power = exact ? ExactPower.McNemar(more, less, d.Queries, d.Alpha, PairedProportions.McNemarMid) : Power.McNemar(more, less, d.Queries, d.Alpha);
        return new(what, exact ? "McNemar, mid-p; enumeration" : "McNemar; Connor 1987", power, Power.Ceiling(Power.McNemarSize(more, less, d.Power, d.Alpha)));
    }

    private static Row Between(string what, double first, double second, Design d)
    {
        var power = d.Queries <= 400 ? ExactPower.Fisher(first, second, d.Queries, d.Alpha) : Power.TwoProportions(first, second, d.Queries, d.Alpha);
        return new(
            what,
            d.Queries <= 400 ? "Fisher, two groups; enumeration" : "z test, two groups",
            power,
            Power.Ceiling(Power.TwoProportionsSize(first, second, d.Power, d.Alpha))
        );
    }

    private static string Points(double rate) => FormattableString.Invariant($"{100 * rate:f1} points");
}
