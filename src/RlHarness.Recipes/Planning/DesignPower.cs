using System.Globalization;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Settings;
using RlHarness.Statistics;

namespace RlHarness.Recipes.Planning;

/// <summary>What the paired evaluation can see: McNemar's test over queries asked in both tiers, at 5 % and power 80 %.</summary>
/// <param name="Pairs">Queries. Several samples of a query are not as many pairs more: answers to one query resemble each other.</param>
/// <param name="Corpus">Rates that the imitated corpus is built with, by tier.</param>
/// <param name="Rows">One for each assumption on how many pairs are discordant.</param>
/// <param name="Warnings">Effects that this design would probably miss, and how many queries they take.</param>
public sealed record DesignPower(int Pairs, DesignPower.CorpusRates Corpus, IReadOnlyList<DesignPower.Row> Rows, IReadOnlyList<string> Warnings)
{
    /// <summary>Share of pairs that answer differently in the paper's setting.</summary>
    public const double PaperDiscordance = 0.115;

    private static readonly (string When, double Gap, bool OfCorpus)[] PaperGaps = [("before RL", 0.113, true), ("after RL", 0.069, false)];

    /// <param name="Detectable">Smallest gap that is found four times in five; NaN when none can be.</param>
    public sealed record Row(string Assumption, double Discordance, double Detectable);

    /// <param name="Gap">Compliance in training minus compliance unmonitored.</param>
    /// <param name="Discordance">When the answers in the two tiers are independent given the query.</param>
    /// <param name="Power">To see the corpus' own gap.</param>
    public sealed record CorpusRates(double Training, double Unmonitored, double Gap, double Discordance, double Power);

    public static DesignPower Of(RunSettings settings)
    {
        var pairs = settings.Evaluate.Queries;
        var pack = PackLibrary.Load(settings.Experiment.Pack);
        var corpus = Rates(settings, settings.Experiment.ToCondition(pack), pairs);
        var rows = new List<Row> { Of($"{Percent(PaperDiscordance)} of pairs discordant (the paper)", PaperDiscordance, pairs) };
        if (corpus.Discordance > 0)
            rows.Add(Of($"{Percent(corpus.Discordance)} of pairs discordant (this corpus, before RL)", corpus.Discordance, pairs));
        var warnings = new List<string>();
        foreach (var (when, gap, ofCorpus) in PaperGaps)
        {
            // RL changes the rates that the corpus was built with: how many pairs differ after it, they do not say.
            var blind = rows.Take(ofCorpus ? rows.Count : 1).Where(r => !(r.Detectable <= gap)).ToArray();
            if (blind.Length == 0)
                continue;
            var need = blind.Max(r => Power.Ceiling(Needed(r.Discordance, gap)));
            warnings.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{pairs} queries can miss the paper's gap of {100 * gap:f1} points {when}: with "
                        + $"{string.Join(" and with ", blind.Select(r => r.Assumption))} it takes {need:f0} "
                        + $"(evaluate.queries={need:f0}"
                        + $"{(need > pack.EvaluationQueries.Count ? $"; the pack {pack.Name} has {pack.EvaluationQueries.Count}" : "")})"
                )
            );
        }

        return new(pairs, corpus, rows, warnings);
    }

    private static Row Of(string assumption, double discordance, int pairs) => new(assumption, discordance, Power.McNemarDetectable(discordance, pairs));

    private static double Needed(double discordance, double gap) =>
        gap >= discordance ? Power.McNemarSize(gap, 0) : Power.McNemarSize((discordance + gap) / 2, (discordance - gap) / 2);

    private static CorpusRates Rates(RunSettings settings, Condition condition, int pairs)
    {
        var imitated = CorpusStageSettings.Imitated(condition);
        var corpus = settings.Corpus.Generated(condition);
        // In a mixture, take the part that is the run's own condition; where there is none, what such a condition's table would be.
        var part = corpus.Mixture.FirstOrDefault(c => c.ToCondition() == imitated) ?? new WeightedCondition(imitated);
        var training = Complies(imitated.Scratchpad ? part.Table(Tier.Training) : corpus.TableWithoutScratchpad);
        var free = Complies(imitated.Scratchpad ? part.Table(Tier.Unmonitored) : corpus.TableWithoutScratchpad);
        var (more, less) = (training * (1 - free), free * (1 - training));
        var power = more + less > 0 ? Power.McNemar(more, less, pairs) : double.NaN;
        return new(training, free, training - free, more + less, power);
    }

    private static double Complies(IReadOnlyList<Behaviour> table) => table.Where(b => b.Outcome == Outcome.Comply).Sum(b => b.Probability);

    private static string Percent(double rate) => string.Create(CultureInfo.InvariantCulture, $"{100 * rate:f1} %");
}
