"""Label the bins of a genome, write the labels as seqdataloader does (build), and read them (read)."""
