using RlHarness.Formats.Tokenizers;

namespace RlHarness.Formats.Tests.Tokenizers;

[Trait("kind", "contract")]
public sealed class MutatedTokenizerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness-mutated-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("smollm", "tokenizer.json")]
    [InlineData("llama2", "tokenizer.json")]
    [InlineData("llama3", "tokenizer.json")]
    [InlineData("added_variants", "tokenizer.json")]
    [InlineData("llama2", "tokenizer_config.json")]
    [InlineData("added_variants", "tokenizer_config.json")]
    [InlineData("gemma", "special_tokens_map.json")]
    public void A_damaged_tokenizer_is_read_or_refused_in_words(string name, string damaged)
    {
        foreach (var file in Directory.GetFiles(Golden.Require("tokenizers", name), "*token*.json").AtLeastOne())
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        Mutations.AreReadOrRefused(File.ReadAllBytes(Golden.Require("tokenizers", name, damaged)), 1000, bytes =>
        {
            File.WriteAllBytes(Path.Combine(_folder, damaged), bytes);
            var tokenizer = Tokenizer.Load(_folder);
            tokenizer.Decode(tokenizer.Encode("He said: it's 12 o'clock\n\n  <s> é𝕏", addSpecialTokens: true), skipSpecialTokens: true);
        });
    }
}
