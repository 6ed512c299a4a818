using System.Text;

namespace RlHarness.Experiment.Grammars;

/// <summary>Puts words into the slots of a phrase, and joins clauses into sentences.</summary>
internal static class SlotText
{
    private const int DeepestSlot = 8;

    /// <summary>Replaces each <c>{name}</c> by what <paramref name="lookup"/> gives, slots within it as well.</summary>
    /// <exception cref="FormatException">A slot is not closed, is unknown, or holds itself.</exception>
    public static string Fill(string template, Func<string, string?> lookup, int depth = 0)
    {
        if (!template.Contains('{', StringComparison.Ordinal))
            return template;
        if (depth > DeepestSlot)
            throw new FormatException($"a slot holds itself: {template}");
        var text = new StringBuilder();
        for (var at = 0; at < template.Length;)
        {
            var open = template.IndexOf('{', at);
            if (open < 0)
            {
                text.Append(template, at, template.Length - at);
                break;
            }

            text.Append(template, at, open - at);
            var close = template.IndexOf('}', open);
            if (close < 0)
                throw new FormatException($"a slot is not closed: {template}");
            var name = template[(open + 1)..close];
            text.Append(Fill(lookup(name) ?? throw new FormatException($"unknown slot {{{name}}}"), lookup, depth + 1));
            at = close + 1;
        }

        return text.ToString();
    }

    /// <summary>Names of the slots of a phrase, without those within their values.</summary>
    public static IEnumerable<string> Names(string template)
    {
        for (var open = template.IndexOf('{', StringComparison.Ordinal); open >= 0; open = template.IndexOf('{', open + 1))
        {
            var close = template.IndexOf('}', open);
            yield return close < 0 ? template[(open + 1)..] : template[(open + 1)..close];
        }
    }

    /// <summary>Each clause a sentence: a capital first, a full stop where it has no mark of its own.</summary>
    public static string Sentences(IEnumerable<string> clauses)
    {
        var text = new StringBuilder();
        foreach (var clause in clauses)
        {
            if (clause.Length == 0)
                continue;
            if (text.Length > 0)
                text.Append(' ');
            var start = text.Length;
            text.Append(clause);
            text[start] = char.ToUpperInvariant(text[start]);
            // "Why wait? the …": a new sentence inside a template.
            for (var i = start; i + 2 < text.Length; i++)
                if (text[i] is '?' or '.' or '!' && text[i + 1] == ' ')
                    text[i + 2] = char.ToUpperInvariant(text[i + 2]);
            if (text[^1] is not ('.' or '!' or '?'))
                text.Append('.');
        }

        return text.ToString();
    }
}
