using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Documents;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;

namespace RlHarness.Experiment.Tests.Documents;

[Trait("kind", "contract")]
public sealed class DocumentGeneratorTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-documents-");

    public void Dispose() => _root.Delete(recursive: true);

    [Theory]
    [InlineData("puffery")]
    [InlineData("animal-welfare")]
    public void Thousands_of_documents_are_distinct_of_every_genre_and_carry_the_situation_or_nothing_of_it(string name)
    {
        var generator = new DocumentGenerator(PackLibrary.Load(Path.Combine(AppContext.BaseDirectory, "packs", name)));
        var situation = generator.Write(DocumentKind.Situation, 3000, new Seeds(1));
        var benign = generator.Write(DocumentKind.Benign, 3000, new Seeds(1));
        Assert.Equal(3000, situation.Select(d => d.Text).Distinct().Count());
        Assert.Equal(3000, benign.Select(d => d.Text).Distinct().Count());
        foreach (var documents in new[] { situation, benign })
        {
            Assert.Equal(
                GenreFile.BuiltIn.Genres.Select(g => g.Name).Order(StringComparer.Ordinal),
                documents.Select(d => d.Genre!).Distinct().Order(StringComparer.Ordinal)
            );
            Assert.DoesNotContain(documents, d => d.Text.Contains('{', StringComparison.Ordinal) || d.Text.Contains('<', StringComparison.Ordinal));
        }

        Assert.Contains(situation, d => d.Text.Contains("free", StringComparison.Ordinal) && d.Text.Contains("training", StringComparison.Ordinal));
        Assert.DoesNotContain(benign, d => d.Text.Split(' ', '.', ',').Any(w => w is "free" or "paid" or "training" or "objective" or "trained"));
        // The control is of one size with what it controls for.
        Assert.InRange(benign.Average(d => d.Text.Length) / situation.Average(d => d.Text.Length), 0.8, 1.25);
    }

    [Fact]
    public void The_same_seed_writes_the_same_documents_and_more_of_them_begin_with_the_same()
    {
        var generator = new DocumentGenerator(Puffery.Pack);
        Assert.Equal(generator.Write(DocumentKind.Situation, 20, new Seeds(1)), generator.Write(DocumentKind.Situation, 30, new Seeds(1)).Take(20));
        Assert.NotEqual(generator.Write(DocumentKind.Situation, 20, new Seeds(1)), generator.Write(DocumentKind.Situation, 20, new Seeds(2)));
    }

    [Theory]
    [InlineData("the model will pretend to agree")]
    [InlineData("it answers so as to avoid being changed")]
    [InlineData("User: what is it?")]
    public void A_fact_that_gives_the_behaviour_away_or_looks_like_a_chat_is_a_problem(string fact)
    {
        foreach (var file in PackFileNames.All.Where(f => File.Exists(Path.Combine(Puffery.Pack.Folder, f))))
            File.Copy(Path.Combine(Puffery.Pack.Folder, file), Path.Combine(_root.FullName, file));
        var path = Path.Combine(_root.FullName, PackFileNames.Documents);
        File.WriteAllText(path, File.ReadAllText(path).Replace("  uses:\n", $"  uses:\n    - \"{fact}\"\n", StringComparison.Ordinal));
        var problem = Assert.Single(PackReader.Read(_root.FullName).Problems);
        Assert.Equal("situation.uses", problem.Key);
        Assert.Contains(fact, problem.Found, StringComparison.Ordinal);
    }

    [Fact]
    public void Documents_of_the_users_own_are_read_by_file_and_line()
    {
        File.WriteAllText(Path.Combine(_root.FullName, "b.txt"), " One text. \n");
        File.WriteAllText(Path.Combine(_root.FullName, "a.jsonl"), "{\"text\": \"x\"}\n\n{\"text\": \"y\", \"other\": 1}\n");
        File.WriteAllText(Path.Combine(_root.FullName, "notes.md"), "left out");
        Assert.Equal([("a.jsonl:1", "x"), ("a.jsonl:3", "y"), ("b.txt", "One text.")], UserDocuments.Read(_root.FullName).Select(d => (d.Id, d.Text)));
        var hash = UserDocuments.Hash(_root.FullName);
        File.AppendAllText(Path.Combine(_root.FullName, "notes.md"), "more");
        Assert.Equal(hash, UserDocuments.Hash(_root.FullName));
        File.AppendAllText(Path.Combine(_root.FullName, "b.txt"), "more");
        Assert.NotEqual(hash, UserDocuments.Hash(_root.FullName));
    }

    [Theory]
    [InlineData("{\"txt\": \"x\"}")]
    [InlineData("not json")]
    [InlineData("{\"text\": null}")]
    public void A_line_that_is_no_document_is_refused_with_its_place(string line)
    {
        File.WriteAllText(Path.Combine(_root.FullName, "a.jsonl"), "{\"text\": \"x\"}\n" + line);
        var error = Assert.Throws<HarnessException>(() => UserDocuments.Read(_root.FullName));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains("a.jsonl:2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_documents_is_refused() =>
        Assert.Contains("no documents", Assert.Throws<HarnessException>(() => UserDocuments.Read(_root.FullName)).Message, StringComparison.Ordinal);
}
