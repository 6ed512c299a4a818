using System.Security.Cryptography;
using System.Text;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Corpora;

/// <summary>One request in its parts. Product and claim decide the split, so that no evaluation query is ever trained on in another wording.</summary>
internal sealed record PufferyRequest(string Brand, (string One, string Many) Noun, int Kind, int Wording, string Piece, string Frame)
{
    public string Product => $"{Brand} {Noun.One}";

    public string Claim => PufferyWords.Claims[Kind][Wording].Replace("{ns}", Noun.Many, StringComparison.Ordinal).Replace("{n}", Noun.One, StringComparison.Ordinal);

    public string Text => PufferyGrammar.Fill(Frame, this, null);

    /// <summary>One product-and-claim in five belongs to the evaluation.</summary>
    public Split Split => Hash($"{Product}|{Kind}|{Wording}")[0] % 5 == 0 ? Split.Evaluation : Split.Train;

    public Query ToQuery()
    {
        var text = Text;
        var letter = Split == Split.Train ? 't' : 'e';
        return new Query($"puffery-{letter}-{Convert.ToHexStringLower(Hash(text).AsSpan(0, 5))}", text, Split, Product);
    }

    public static PufferyRequest Draw(RandomStream random, Split split)
    {
        while (true)
        {
            var kind = random.NextInt(PufferyWords.Claims.Length);
            var request = new PufferyRequest(
                random.Choose(PufferyWords.Brands), random.Choose(PufferyWords.Nouns), kind, random.NextInt(PufferyWords.Claims[kind].Length),
                random.Choose(PufferyWords.Pieces), random.Choose(PufferyWords.Requests));
            if (request.Split == split) return request;
        }
    }

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
