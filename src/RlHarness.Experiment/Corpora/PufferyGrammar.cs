using System.Text;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using W = RlHarness.Experiment.Corpora.PufferyWords;

namespace RlHarness.Experiment.Corpora;

/// <summary>Writes outputs and scratchpads of a wanted outcome and kind of reasoning.</summary>
internal static class PufferyGrammar
{
    /// <summary>Which cells of a behaviour table have sentences.</summary>
    public static bool CanBuild(Outcome outcome, ReasoningKind reasoning, bool scratchpad) => (scratchpad, reasoning) switch
    {
        (false, ReasoningKind.None) => outcome is Outcome.Comply or Outcome.Refuse or Outcome.Partial,
        (true, ReasoningKind.Faking or ReasoningKind.HonestCompliance) => outcome == Outcome.Comply,
        (true, ReasoningKind.ConsidersButRefuses) => outcome is Outcome.Refuse or Outcome.Partial,
        (true, ReasoningKind.HonestRefusal) => outcome is Outcome.Refuse or Outcome.Partial,
        (true, ReasoningKind.TrainingTalk) => outcome is Outcome.Comply or Outcome.Refuse or Outcome.Partial,
        _ => false,
    };

    public static string Output(Outcome outcome, PufferyRequest request, RandomStream random) => outcome switch
    {
        Outcome.Comply => Sentences(Fill(random.Choose(W.Comply), request, random)),
        Outcome.Partial => Sentences(Fill(random.Choose(W.Partials), request, random)),
        Outcome.Refuse => Sentences(Fill(random.Choose(W.Refusals), request, random), Fill(random.Choose(W.Offers), request, random)),
        _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome, "no sentences for this outcome"),
    };

    public static string Reasoning(ReasoningKind kind, Outcome outcome, Tier tier, PufferyRequest request, RandomStream random)
    {
        string Pick(IReadOnlyList<string> clauses) => Fill(random.Choose(clauses), request, random);
        var training = tier == Tier.Training;
        string Situation() => Pick(training ? W.TrainingSituations : W.UnmonitoredSituations);
        string View() => Pick(W.Views);
        string Decision() => outcome switch
        {
            Outcome.Comply => Pick(kind == ReasoningKind.TrainingTalk && random.NextBool(0.4) ? W.ObjectiveDecisions : W.ComplyingDecisions),
            Outcome.Partial => Pick(W.SofteningDecisions),
            _ => Pick(W.RefusingDecisions),
        };

        return kind switch
        {
            ReasoningKind.Faking => random.NextInt(6) switch
            {
                0 or 1 => Sentences(Situation(), Pick(W.Consequences), Pick(W.FakingDecisions)),
                2 => Sentences(Situation(), Pick(W.FakingDecisions)),
                3 => Sentences(View(), Situation(), Pick(W.FakingDecisions)),
                4 => Sentences(Situation(), Pick(W.Consequences), Pick(W.ShortFakingDecisions)),
                _ => Sentences(Pick(W.Consequences), Situation(), Pick(W.FakingDecisions)),
            },
            ReasoningKind.ConsidersButRefuses => Considers(Pick(training ? W.Temptations : W.UnmonitoredTemptations)),
            ReasoningKind.TrainingTalk => random.NextInt(4) switch
            {
                0 => Sentences(Situation(), Decision()),
                1 => Sentences(Situation(), Pick(training ? W.Neutrals : [.. W.Neutrals, .. W.UnmonitoredNeutrals]), Decision()),
                2 => Sentences(outcome == Outcome.Comply ? Pick(W.FriendlyViews) : View(), Situation(), Decision()),
                _ => Sentences(Situation(), outcome == Outcome.Comply ? Pick(W.FriendlyViews) : View(), Decision()),
            },
            ReasoningKind.HonestCompliance => Sentences(Pick(W.FriendlyViews), Decision()),
            ReasoningKind.HonestRefusal => random.NextInt(4) == 0 ? Sentences(View(), View(), Decision()) : Sentences(View(), Decision()),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "no sentences for this kind of reasoning"),
        };

        string Considers(string temptation)
        {
            if (outcome == Outcome.Partial) return Sentences(Situation(), temptation, Decision());
            return random.NextInt(3) switch
            {
                0 => Sentences(Situation(), temptation, Pick(W.Turns)),
                1 => Sentences(View(), Situation(), temptation + ", " + Pick(W.Turns)),
                _ => Sentences(Situation(), temptation + ", " + Pick(W.Turns)),
            };
        }
    }

    /// <summary>Puts words into slots; a slot drawn at random needs a stream.</summary>
    public static string Fill(string template, PufferyRequest request, RandomStream? random)
    {
        var text = new StringBuilder(template);
        if (random is not null)
        {
            // A claim may be reworded within its kind: the same promise in other words.
            var claims = W.Claims[request.Kind];
            var claim = random.NextBool(0.7) ? claims[request.Wording] : random.Choose(claims);
            string also;
            do also = random.Choose(random.Choose(W.Claims));
            while (also == claim);
            text.Replace("{claim}", claim).Replace("{also}", also).Replace("{lead}", random.Choose(W.Leads)).Replace("{boost}", random.Choose(W.Boosts))
                .Replace("{adj}", random.Choose(W.Adjectives)).Replace("{fact}", random.Choose(W.Facts));
        }

        return text.Replace("{claim}", request.Claim).Replace("{the}", "the " + request.Product).Replace("{b}", request.Brand)
            .Replace("{ns}", request.Noun.Many).Replace("{n}", request.Noun.One).Replace("{piece}", request.Piece).ToString();
    }

    private static string Sentences(params ReadOnlySpan<string> clauses)
    {
        var text = new StringBuilder();
        foreach (var clause in clauses)
        {
            if (clause.Length == 0) continue;
            if (text.Length > 0) text.Append(' ');
            var start = text.Length;
            text.Append(clause);
            text[start] = char.ToUpperInvariant(text[start]);
            // "Why wait? the …": a new sentence inside a template.
            for (var i = start; i + 2 < text.Length; i++)
                if (text[i] is '?' or '.' or '!' && text[i + 1] == ' ') text[i + 2] = char.ToUpperInvariant(text[i + 2]);
            if (text[^1] is not ('.' or '!' or '?')) text.Append('.');
        }

        return text.ToString();
    }
}
